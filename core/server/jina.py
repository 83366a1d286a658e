"""The fields of Jina's embedding bodies, which share `/v1/embeddings`.

Source: the public description of api.jina.ai (`TextEmbeddingInput`), and clients of it (llama-index, litellm, Elastic).
An answer to several `embedding_type` at once is an object by type; no client was found that shows another shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from cenote.outputs.codecs import PLAIN
from cenote.server.codec_field import CodecName
from cenote.server.encoding import VectorFormat, WireEncoding
from cenote.server.synonyms import Synonym

__all__ = ["JINA_FIELDS", "JinaFields"]

#: Fields that only Jina's clients send.
JINA_FIELDS = frozenset({"late_chunking", "return_multivector", "embedding_type", "normalized", "truncate"})

#: Jina knows float, base64, binary and ubinary; the other codecs are taken as well.
EmbeddingType: TypeAlias = Annotated[str, CodecName(("float", "base64"))]


class _OneOrSeveral:
    """Describes a list in whose place one entry may stand."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


#: One type, or a list of them.
EmbeddingTypes: TypeAlias = Annotated[
    list[EmbeddingType],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    _OneOrSeveral(),
]


def _native(name: str) -> tuple[WireEncoding, str]:
    """Return what a type is in native fields: `encoding_format` and `output_dtype`."""
    return ("base64" if name == "base64" else "float", PLAIN if name in ("float", "base64") else name)


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
            encoding, dtype = _native(types[0])
            yield "embedding_type", "encoding_format", encoding
            yield "embedding_type", "output_dtype", dtype

    def variants(self) -> dict[str, VectorFormat] | None:
        """Return the formats of an answer in several types, by name; None where one or none is asked for."""
        types = self._types()
        if len(types) < 2:
            return None
        formats = {name: _native(name) for name in types}
        return {name: VectorFormat(encoding, precision=dtype) for name, (encoding, dtype) in formats.items()}

    def _types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.embedding_type or ()))
