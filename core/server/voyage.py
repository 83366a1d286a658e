"""The fields of Voyage's embedding bodies, which share `/v1/embeddings`.

Source: voyageai 0.4, client.py and util.py. The client asks for base64 by itself, and reads little-endian float32, int8
or uint8 by the `output_dtype` that it asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from cenote.server.api_error import ApiError
from cenote.server.envelopes import error_text
from cenote.server.synonyms import Synonym

__all__ = ["VOYAGE_FIELDS", "VoyageFields", "detail_envelope"]

#: Fields that only Voyage's client sends.
VOYAGE_FIELDS = frozenset({"truncation"})


class VoyageFields(BaseModel):
    """Names that Voyage gives to native fields; `output_dtype` and `input_type` are native."""

    output_dimension: int | None = Field(default=None, description="dimensions, as Voyage and Infinity call it.")
    truncation: bool | None = Field(
        default=None, description="Voyage: true cuts over-long inputs at the model's limit, false refuses them."
    )

    def voyage(self) -> Iterator[Synonym]:
        """Return what the fields mean."""
        if self.output_dimension is not None:
            yield "output_dimension", "dimensions", self.output_dimension
        if self.truncation is not None:
            yield "truncation", "truncate_prompt_tokens", -1 if self.truncation else None


def detail_envelope(error: ApiError) -> tuple[int, dict[str, Any]]:
    """Return an error as Voyage's and Jina's clients read it, in `detail`, with the native body beside it."""
    text = error_text(error)
    body = {"message": text, "type": error.type, "param": error.param, "code": error.status_code}
    return error.status_code, {"detail": text, "error": body}
