"""The documents of a rerank request: what is scored, and what the answer says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_content
from cenote.types import Prompt

__all__ = ["RerankDocument", "rerank_documents"]


@dataclass(frozen=True, slots=True)
class RerankDocument:
    """One document.

    Attributes:
        prompt: what is scored.
        echo: what the answer says of it, as JSON; `text` and `multi_modal` are always there.
    """

    prompt: Prompt
    echo: bytes


def rerank_documents(given: Sequence[Any], rank_fields: Sequence[str] | None) -> list[RerankDocument]:
    """Return the documents that a body gives: texts, objects with `text`, `image` or both, or `{"content": [...]}`.

    An object may have any further fields. Media are told as they were given.

    Args:
        given: as in the body.
        rank_fields: fields of objects whose texts are scored, in this order, one per line; None is `text`. Texts and
            `content` have no fields and are scored whole.

    Raises:
        InvalidRequest: something is neither text nor medium, lacks a field, or is nested too deeply to be repeated.

    Source: Cohere's API reference, v1 rerank: "the values in title, author, text sequentially", `text` by default, and
    all fields of a document are kept in the answer. `multi_modal`: vLLM 0.32, RerankDocument.
    """
    return [_document(item, f"documents[{place}]", rank_fields) for place, item in enumerate(given)]


def _document(item: Any, name: str, rank_fields: Sequence[str] | None) -> RerankDocument:
    if not isinstance(item, str | Mapping):
        raise WrongType(f"{name} must be a text or an object, not {type(item).__name__}.", param="documents")
    if isinstance(item, Mapping) and item.get("content") is None and rank_fields:
        prompt = Prompt(text="\n".join(_field(item, field, name) for field in rank_fields))
    else:
        prompt = parse_content(item, name)
    try:
        return RerankDocument(prompt, orjson.dumps(_echo(item, prompt.text)))
    except orjson.JSONEncodeError as exc:
        raise InvalidRequest(f"{name} is nested too deeply.", param="documents") from exc


def _echo(item: Any, text: str | None) -> dict[str, Any]:
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
