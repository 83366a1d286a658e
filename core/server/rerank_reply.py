"""The answer of the rerank routes: one object with the fields that clients of vLLM, Cohere, Jina and Voyage read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NotRequired

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.outputs import ScoringRequestOutput
from cenote.server.item_errors import ItemError, item_error
from cenote.server.rerank_documents import RerankDocument
from cenote.server.score_reply import score_number, write_json
from cenote.server.usage import Usage

__all__ = ["RerankResponse", "rerank_reply"]

#: Documents that one search unit of Cohere pays for. Source: Cohere's pricing page.
_PER_UNIT = 100


class RankedDocument(TypedDict):
    """A document as it was given; `multi_modal` holds the parts of one given as `content`."""

    text: str | None
    multi_modal: list[Any] | None


class RerankResult(TypedDict):
    """One document of the ranking."""

    index: int
    relevance_score: float
    document: NotRequired[RankedDocument | str]


class FailedDocument(TypedDict):
    """A document without a score, with `on_error: "item"`."""

    index: int
    error: ItemError


class RerankUsage(TypedDict):
    """Tokens of a request; a query that is read once counts once."""

    prompt_tokens: int
    total_tokens: int
    truncated_tokens: int


class RerankMeta(TypedDict):
    """What Cohere's clients read beside the results."""

    api_version: dict[str, str]
    billed_units: dict[str, int]
    tokens: dict[str, int]
    warnings: NotRequired[list[str]]


class RerankResponse(TypedDict):
    """Answer of the rerank routes; `results` and `data` are the same list, best first."""

    id: str
    object: str
    model: str
    results: list[RerankResult]
    data: list[RerankResult]
    errors: NotRequired[list[FailedDocument]]
    meta: RerankMeta
    usage: RerankUsage


def rerank_reply(
    outputs: Sequence[ScoringRequestOutput],
    documents: Sequence[RerankDocument] | None,
    *,
    response_id: str,
    model: str,
    most: int | None,
    version: str,
    warnings: Sequence[str],
) -> Response:
    """Return the ranking; equal scores keep the order that was given, and documents without a score are told apart.

    Args:
        outputs: one score per document.
        documents: what to tell of each; None leaves it out.
        response_id: prefix and request id.
        model: name of the model.
        most: how many results at most; None is all.
        version: of Cohere's API.
        warnings: what was asked and is not done.
    """
    usage = Usage.of(outputs)
    errors = [{"index": at, "error": item_error(item.error)} for at, item in enumerate(outputs) if item.error]
    scores = [(at, score_number(item)) for at, item in enumerate(outputs) if not item.error]
    results: list[dict[str, Any]] = []
    for index, score in sorted(scores, key=lambda pair: -pair[1])[:most]:
        shown = {} if documents is None else {"document": orjson.Fragment(documents[index].echo)}
        results.append({"index": index, "relevance_score": score, **shown})
    meta: dict[str, Any] = {
        "api_version": {"version": version},
        "billed_units": {"search_units": math.ceil(len(outputs) / _PER_UNIT)},
        "tokens": {"input_tokens": usage.prompt_tokens, "output_tokens": 0},
    }
    body = {"id": response_id, "object": "list", "model": model, "results": results, "data": results}
    return write_json(
        {
            **body,
            **({"errors": errors} if errors else {}),
            "meta": {**meta, "warnings": list(warnings)} if warnings else meta,
            "usage": {**usage.short(), "truncated_tokens": usage.truncated_tokens},
        }
    )
