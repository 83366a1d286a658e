"""The documents of a rerank request: the text that is scored, and what the answer says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from cenote.errors import InvalidRequest, WrongType
from cenote.scoring.texts import score_texts

__all__ = ["RerankDocument", "rerank_documents"]


@dataclass(frozen=True, slots=True)
class RerankDocument:
    """One document.

    Attributes:
        text: what is scored.
        echo: what the answer says of it, as JSON; `text` and `multi_modal` are always there.
    """

    text: str
    echo: bytes


def rerank_documents(given: Sequence[Any], rank_fields: Sequence[str] | None) -> list[RerankDocument]:
    """Return the documents that a body gives: texts, `{"text": ...}` with any further fields, or `{"content": [...]}`.

    Args:
        given: as in the body.
        rank_fields: fields of objects whose texts are scored, in this order, one per line; None is `text`. Texts and
            `content` have no fields and are scored whole.

    Raises:
        InvalidRequest: something is no text, lacks a field, or is nested too deeply to be repeated.

    Source: Cohere's API reference, v1 rerank: "the values in title, author, text sequentially", `text` by default, and
    all fields of a document are kept in the answer. `multi_modal`: vLLM 0.32, RerankDocument.
    """
    return [_document(item, f"documents[{place}]", rank_fields) for place, item in enumerate(given)]


def _document(item: Any, name: str, rank_fields: Sequence[str] | None) -> RerankDocument:
    if not isinstance(item, str | Mapping):
        raise WrongType(f"{name} must be a text or an object, not {type(item).__name__}.", param="documents")
    if isinstance(item, Mapping) and item.get("content") is None and rank_fields:
        text = "\n".join(_field(item, field, name) for field in rank_fields)
    else:
        (text,) = score_texts(item, name)
    try:
        return RerankDocument(text, orjson.dumps(_echo(item, text)))
    except orjson.JSONEncodeError as exc:
        raise InvalidRequest(f"{name} is nested too deeply.", param="documents") from exc


def _echo(item: Any, text: str) -> dict[str, Any]:
    """Return what the answer says of a document that was given as this."""
    content = None if isinstance(item, str) else item.get("content")
    if isinstance(content, list):
        return {"text": None, "multi_modal": content}
    if isinstance(item, str) or content is not None:
        return {"text": text, "multi_modal": None}
    own = item.get("text")
    return {**item, "text": own if isinstance(own, str) else text, "multi_modal": None}


def _field(item: Mapping[str, Any], field: str, name: str) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        found = "has none" if value is None else "has another value there"
        text = f"rank_fields asks for the text {field!r:.80} of each document, but {name} {found}."
        raise InvalidRequest(text, param="documents")
    return value
