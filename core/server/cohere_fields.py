"""Body fields of Cohere's embed routes (http-api.md section 8.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from cenote.errors import InvalidRequest
from cenote.inputs import parse_content
from cenote.server.codec_field import CodecName
from cenote.server.content_schema import WRAPPED
from cenote.server.fields import CommonFields, parse_role
from cenote.server.models import ServedModel
from cenote.types import MediaAddress, MediaItem, PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["CohereEmbedRequest", "EmbeddingType"]

#: Cohere knows float, base64, int8, uint8, binary and ubinary; the other codecs are taken as well.
EmbeddingType: TypeAlias = Annotated[str, CodecName(("float", "base64"))]
_INPUTS = ("texts", "images", "inputs")
#: Cohere's words for what texts are for, where they are no role.
_OTHER_WORDS = ("classification", "clustering", "image")


def _parse_inputs(value: Any, info: ValidationInfo) -> tuple[Prompt, ...]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{info.field_name} must be a list.", param=info.field_name)
    return tuple(parse_content(item, f"{info.field_name}[{place}]") for place, item in enumerate(value))


def _picture(address: str) -> Prompt:
    if not address:
        raise InvalidRequest("An address in images is empty.", param="images")
    return Prompt(media=(MediaItem("image", MediaAddress(address, "images")),))


#: A body field that holds contents of texts and images.
Contents: TypeAlias = Annotated[
    tuple[Prompt, ...],
    PlainValidator(_parse_inputs),
    WithJsonSchema({"type": "array", "items": WRAPPED, "minItems": 1}),
]


class CohereEmbedRequest(CommonFields):
    """Body of `/v1/embed` and `/v2/embed`: exactly one of `texts`, `images` and `inputs`."""

    input_type: str | None = Field(
        default=None,
        description="Name of a prompt that the model stores; else search_query, search_document, classification, "
        "clustering or image, which put the model's own prompt for such texts in front if there is one.",
    )
    texts: list[str] | None = Field(default=None, min_length=1, description="What to embed.")
    images: list[str] | None = Field(
        default=None, min_length=1, description="Addresses of images, mostly data: addresses with base64."
    )
    inputs: Contents | None = Field(default=None, description="What to embed: texts and images, as parts of content.")
    embedding_types: list[EmbeddingType] | None = Field(
        default=None, min_length=1, description="How vectors are given; none is float."
    )
    output_dimension: int | None = Field(default=None, description="Keep so many components (matryoshka models).")
    truncate: Literal["NONE", "START", "END"] = Field(
        default="END", description="Where too long a text is cut; NONE refuses it."
    )
    max_tokens: int | None = Field(default=None, ge=1, description="Longest text; none is the model's limit.")

    @model_validator(mode="before")
    @classmethod
    def _check_inputs(cls, data: Any) -> Any:
        found = [name for name in _INPUTS if isinstance(data, dict) and name in data]
        if len(found) != 1:
            text = f"The body has {' and '.join(found) or 'no input'}; send exactly one of texts, images and inputs."
            raise InvalidRequest(text, param=found[0] if found else "texts")
        if not data[found[0]] and isinstance(data[found[0]], list):
            raise InvalidRequest(f"{found[0]} is empty; give at least one.", param=found[0])
        return data

    def given(self) -> tuple[str, tuple[Prompt, ...]]:
        """Return the name of the field that says what to embed, and what that is.

        Raises:
            InvalidRequest: the address of an image is empty.
        """
        if self.texts is not None:
            return "texts", tuple(Prompt(text=text) for text in self.texts)
        if self.images is not None:
            return "images", tuple(map(_picture, self.images))
        return "inputs", self.inputs or ()

    def types(self) -> tuple[EmbeddingType, ...]:
        """Return how vectors are given, each way once."""
        return tuple(dict.fromkeys(self.embedding_types or ("float",)))

    def asked(self, model: ServedModel) -> tuple[PoolingParams, Role | None]:
        """Return what to compute, and what the inputs are for.

        Cohere's clients always send `input_type`, so its words hold for models without prompts as well. An adapter of
        that name comes first: the tasks of jina-embeddings-v3 are adapters, each with a prompt of its own.

        Raises:
            InvalidRequest: `input_type` is neither a stored prompt nor a known word.
        """
        word, engine = self.input_type, model.engine
        params = PoolingParams(dimensions=self.output_dimension)
        if word is None or (word in _OTHER_WORDS and word not in (*engine.lora_names, *engine.prompt_names)):
            return params, None
        if model.lora is None and word in engine.lora_names:
            return PoolingParams(dimensions=self.output_dimension, lora=word), None
        if word in engine.prompt_names:
            return PoolingParams(dimensions=self.output_dimension, prompt_name=word), None
        try:
            return params, parse_role(word)
        except InvalidRequest as exc:
            own = ", ".join(engine.prompt_names) or "none"
            text = f"{exc} Also {', '.join(_OTHER_WORDS)}, and the prompts that this model stores: {own}."
            raise InvalidRequest(text, param="input_type") from exc

    def cut(self, most: int) -> TokenizationOptions:
        """Return how texts are tokenised.

        Args:
            most: the model's limit; a larger `max_tokens` means that.
        """
        if self.truncate == "NONE":
            return TokenizationOptions()
        return TokenizationOptions(
            truncate_prompt_tokens=-1 if self.max_tokens is None or self.max_tokens > most else self.max_tokens,
            truncation_side="left" if self.truncate == "START" else None,
            keep_special_tokens=True,
        )
