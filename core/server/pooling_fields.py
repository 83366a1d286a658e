"""Body fields of the routes that give numbers per input: `/v1/embeddings` and `/pooling`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, cast, get_args

from pydantic import Field

from cenote.errors import InvalidRequest
from cenote.outputs.codecs import PLAIN
from cenote.server.codec_field import CodecName
from cenote.server.encoding import ElementType, Endianness, VectorFormat, WireEncoding
from cenote.server.fields import TokenizationFields
from cenote.types import PoolingParams

__all__ = ["Form", "PoolingFields"]

#: `float` is Voyage's name of float32.
AskedDtype: TypeAlias = Annotated[str, CodecName(("float", PLAIN))]
WireDtype: TypeAlias = Annotated[str, CodecName(get_args(ElementType))]
#: A form of an embedding.
Form: TypeAlias = Literal["dense", "sparse", "multi"]


class PoolingFields(TokenizationFields):
    """What to compute, and how the numbers are written."""

    encoding_format: WireEncoding = "float"
    embed_dtype: WireDtype = Field(
        default="float32",
        description="Type of base64 and raw bytes, without scaling; the other names, such as int8, mean output_dtype.",
    )
    endianness: Endianness = "native"
    output_dtype: AskedDtype | None = Field(
        default=None,
        description="Precision of embeddings, after cutting and normalising: int8 is round(127 x), uint8 is "
        "round(127.5 (x + 1)); binary and ubinary pack eight signs into a byte. Plugins may offer others.",
    )
    outputs: list[Form] | None = Field(
        default=None, min_length=1, description="Forms of the embedding that one pass gives; none is dense alone."
    )
    return_tokens: bool = Field(default=False, description="Name the terms of sparse results.")
    return_positions: bool = Field(
        default=False,
        description="With vectors of tokens (token_embed, multi): each entry has positions, the place of each vector's "
        "token among the prompt's, or [row, column] of an image's patch; with pool_factor the places of all that were "
        "averaged; null where the model does not say.",
    )
    pool_factor: int | None = Field(
        default=None,
        ge=1,
        description="Merge the vectors of a document's tokens to about one in so many (token_embed, multi); none and 1 "
        "keep all, and inputs of input_type query always keep all.",
    )
    dimensions: int | None = Field(default=None, description="Keep so many components (matryoshka models).")
    use_activation: bool | None = Field(
        default=None, description="L2-normalise, or apply the classifier's activation; none is the model's default."
    )
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")
    prompt: str | None = Field(default=None, description="Put this text in front of every input.")
    lora: str | None = Field(default=None, description="Run with this low-rank adapter; its name also serves as model.")

    def vectors(self) -> VectorFormat:
        """Return how numbers are written.

        Raises:
            InvalidRequest: `output_dtype` and `embed_dtype` name different types.
        """
        asked = PLAIN if self.output_dtype == "float" else self.output_dtype
        wire = self.embed_dtype if "embed_dtype" in self.model_fields_set else None
        if asked is not None and wire not in (None, asked):
            text = f"output_dtype is {asked} and embed_dtype is {wire}; send one of them."
            raise InvalidRequest(text, param="embed_dtype")
        if asked is not None:
            return VectorFormat(self.encoding_format, "float32", self.endianness, asked)
        if wire is not None and wire not in get_args(ElementType):
            return VectorFormat(self.encoding_format, "float32", self.endianness, wire, "embed_dtype")
        return VectorFormat(self.encoding_format, cast("ElementType", wire or "float32"), self.endianness)

    def params(self) -> PoolingParams:
        """Return what to compute."""
        return PoolingParams(
            dimensions=self.dimensions,
            use_activation=self.use_activation,
            prompt_name=self.prompt_name,
            prompt=self.prompt,
            lora=self.lora,
            pool_factor=self.pool_factor,
        )
