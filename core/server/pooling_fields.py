"""Body fields of the routes that give numbers per input: `/v1/embeddings` and `/pooling`."""

from __future__ import annotations

from pydantic import Field

from cenote.server.encoding import ElementType, Endianness, VectorFormat, WireEncoding
from cenote.server.fields import TokenizationFields
from cenote.types import PoolingParams

__all__ = ["PoolingFields"]


class PoolingFields(TokenizationFields):
    """What to compute, and how the numbers are written."""

    encoding_format: WireEncoding = "float"
    embed_dtype: ElementType = "float32"
    endianness: Endianness = "native"
    dimensions: int | None = Field(default=None, description="Keep so many components (matryoshka models).")
    use_activation: bool | None = Field(
        default=None, description="L2-normalise, or apply the classifier's activation; none is the model's default."
    )
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")
    prompt: str | None = Field(default=None, description="Put this text in front of every input.")
    lora: str | None = Field(default=None, description="Run with this low-rank adapter; its name also serves as model.")

    def vectors(self) -> VectorFormat:
        """Return how numbers are written."""
        return VectorFormat(self.encoding_format, self.embed_dtype, self.endianness)

    def params(self) -> PoolingParams:
        """Return what to compute."""
        return PoolingParams(
            dimensions=self.dimensions,
            use_activation=self.use_activation,
            prompt_name=self.prompt_name,
            prompt=self.prompt,
            lora=self.lora,
        )
