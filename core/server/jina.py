"""The fields of Jina's embedding bodies, which share `/v1/embeddings`.

Source: the public description of api.jina.ai (`TextEmbeddingInput`), and clients of it (llama-index, litellm, Elastic).
An answer to several `embedding_type` at once is an object by type; no client was found that shows another shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from cenote.server.encoding import VectorFormat
from cenote.server.synonyms import Synonym

__all__ = ["JINA_FIELDS", "JinaFields"]

#: Fields that only Jina's clients send.
JINA_FIELDS = frozenset({"late_chunking", "return_multivector", "embedding_type", "normalized", "truncate"})

_ONE = {"enum": ["float", "base64", "binary", "ubinary"]}
EmbeddingType: TypeAlias = Literal["float", "base64", "binary", "ubinary"]
#: One type, or a list of them.
EmbeddingTypes: TypeAlias = Annotated[
    list[EmbeddingType],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
]
#: What each type is in native fields: `encoding_format` and `output_dtype`.
_TYPES: Mapping[str, tuple[Literal["float", "base64"], Literal["float32", "binary", "ubinary"]]] = {
    "float": ("float", "float32"),
    "base64": ("base64", "float32"),
    "binary": ("float", "binary"),
    "ubinary": ("float", "ubinary"),
}


class JinaFields(BaseModel):
    """What Jina's bodies have beside the native fields; `dimensions` and `prompt_name` are native."""

    task: str | None = Field(
        default=None, description="Jina: name of a low-rank adapter or stored prompt; or one that ends in .query."
    )
    late_chunking: bool = Field(default=False, description="Jina: the inputs are the chunks of one document.")
    return_multivector: bool = Field(default=False, description="Jina: one vector per token, in embeddings.")
    embedding_type: EmbeddingTypes | None = Field(
        default=None, description="Jina: how numbers are written; several give an object by type."
    )
    normalized: bool | None = Field(default=None, description="Jina: use_activation.")
    truncate: bool | None = Field(
        default=None, description="Jina: true cuts over-long inputs at the model's limit, false refuses them."
    )

    def jina(self) -> Iterator[Synonym]:
        """Return what the fields mean."""
        if self.normalized is not None:
            yield "normalized", "use_activation", self.normalized
        if self.truncate is not None:
            yield "truncate", "truncate_prompt_tokens", -1 if self.truncate else None
        if self.return_multivector:
            yield "return_multivector", "outputs", ["multi"]
        types = self._types()
        if types:
            encoding, dtype = _TYPES[types[0]]
            yield "embedding_type", "encoding_format", encoding
            yield "embedding_type", "output_dtype", dtype

    def variants(self) -> dict[str, VectorFormat] | None:
        """Return the formats of an answer in several types, by name; None where one or none is asked for."""
        types = self._types()
        if len(types) < 2:
            return None
        return {name: VectorFormat(_TYPES[name][0], precision=_TYPES[name][1]) for name in types}

    def _types(self) -> tuple[EmbeddingType, ...]:
        return tuple(dict.fromkeys(self.embedding_type or ()))
