"""The documents of a rerank request: the text that is scored, and what the answer says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.scoring.texts import score_texts

__all__ = ["RerankDocument", "rerank_documents"]


@dataclass(frozen=True, slots=True)
class RerankDocument:
    """One document.

    Attributes:
        text: what is scored.
        echo: what the answer says of it; `text` and `multi_modal` are always there.
    """

    text: str
    echo: dict[str, Any]


def rerank_documents(given: Sequence[Any], rank_fields: Sequence[str] | None) -> list[RerankDocument]:
    """Return the documents that a body gives: texts, `{"text": ...}` with any further fields, or `{"content": [...]}`.

    Args:
        given: as in the body.
        rank_fields: fields of objects whose texts are scored, in this order, one per line; None is `text`. Texts and
            `content` have no fields and are scored whole.

    Raises:
        InvalidRequest: something is no text, or lacks a field.

    Source: Cohere's API reference, v1 rerank: "the values in title, author, text sequentially", `text` by default, and
    all fields of a document are kept in the answer. `multi_modal`: vLLM 0.32, RerankDocument.
    """
    return [_document(item, f"documents[{place}]", rank_fields) for place, item in enumerate(given)]


def _document(item: Any, name: str, rank_fields: Sequence[str] | None) -> RerankDocument:
    if isinstance(item, Mapping) and item.get("content") is None and rank_fields:
        text = "\n".join(_field(item, field, name) for field in rank_fields)
        own = item.get("text")
        return RerankDocument(text, {**item, "text": own if isinstance(own, str) else text, "multi_modal": None})
    if not isinstance(item, str | Mapping):
        raise WrongType(f"{name} must be a text or an object, not {type(item).__name__}.", param="documents")
    (text,) = score_texts(item, name)
    if isinstance(item, str):
        return RerankDocument(text, {"text": text, "multi_modal": None})
    if item.get("content") is None:
        return RerankDocument(text, {**item, "multi_modal": None})
    content = item["content"]
    if isinstance(content, str):
        return RerankDocument(text, {"text": content, "multi_modal": None})
    return RerankDocument(text, {"text": None, "multi_modal": content})


def _field(item: Mapping[str, Any], field: str, name: str) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        found = "has none" if value is None else "has another value there"
        text = f"rank_fields asks for the text {field!r:.80} of each document, but {name} {found}."
        raise InvalidRequest(text, param="documents")
    return value
