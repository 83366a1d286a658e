"""text-embeddings-inference's (TEI) dialect, rankings: `/rerank` with `texts`.

Source: docs/openapi.json of TEI 1.9.3. TEI ranks with cross-encoders only; here any model that scores can, and a
cross-encoder goes first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NotRequired

import orjson
from fastapi import Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.outputs import ScoringRequestOutput
from cenote.server.body import validate
from cenote.server.models import ServedModel
from cenote.server.request_ids import claim_request_id
from cenote.server.score_fields import ScoringFields
from cenote.server.score_reply import score_number
from cenote.server.score_run import can_score, run_scores
from cenote.server.state import state_of
from cenote.server.tei_errors import tei_envelope, tei_error
from cenote.server.tei_fields import TeiFields, TeiTruncation
from cenote.server.tei_models import check_given, check_size, model_that
from cenote.server.tei_replies import Cost
from cenote.types import Prompt, TokenizationOptions

__all__ = ["TeiRank", "TeiRerankRequest", "tei_rerank"]


class TeiRerankRequest(TeiFields, TeiTruncation):
    """Body of `/rerank` in TEI's form."""

    query: str = Field(description="What the texts are to answer.")
    texts: list[str] = Field(description="What is ranked.", json_schema_extra={"minItems": 1})
    raw_scores: bool = Field(default=False, description="Give a cross-encoder's logits, without activation.")
    return_text: bool = Field(default=False, description="Tell the texts as well as their places.")
    score_type: str | None = Field(
        default=None,
        description="A way to score, as in the other bodies of this route; none is the model's own. Not in TEI.",
    )
    weights: list[float] | None = Field(default=None, description="Of the parts of a mix. Not in TEI.")
    top_n: int | None = Field(
        default=None,
        ge=0,
        description="Return so many at most; 0 and none are all. Not in TEI; LiteLLM sends it.",
    )


class TeiRank(TypedDict):
    """A text's place in the request, and its score."""

    index: int
    score: float
    text: NotRequired[str]


class _Scoring(ScoringFields):
    """How the scores of this dialect are computed; like TEI's, a cut leaves special tokens alone."""

    def pair_tokenization(self, max_tokens: int) -> TokenizationOptions:
        """Return how texts and pairs are tokenised."""
        return replace(super().pair_tokenization(max_tokens), keep_special_tokens=True)


async def tei_rerank(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body with `texts`: places and scores, best first; equal scores in the order of the texts."""
    request.state.envelope = tei_envelope
    check_given(request, data.get("texts"), "texts")
    body = await validate(data, TeiRerankRequest, request)
    model = _choose(request, body.model)
    check_size(request, len(body.texts), "texts")
    empty = next((at for at, text in enumerate(body.texts) if not text and not body.query), None)
    if empty is not None:
        raise tei_error("Empty", f"query and texts[{empty}] are both empty.", param="texts")
    cost = Cost(sum(map(len, body.texts)) + len(body.query) * len(body.texts))
    response_id = f"tei-{claim_request_id(request, None)}"
    names = ("query", "texts")
    sides = [Prompt(text=body.query)], [Prompt(text=text) for text in body.texts]
    scored = await run_scores(request, _scoring(body, model), model, response_id, names, *sides)
    texts = body.texts if body.return_text else [None] * len(body.texts)
    ranks = [_rank(at, text, output) for at, (text, output) in enumerate(zip(texts, scored.outputs, strict=True))]
    ranks.sort(key=lambda rank: -rank["score"])
    raw = orjson.dumps(ranks[: body.top_n or None], option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(raw, headers=cost.headers(scored.usage.prompt_tokens), media_type="application/json")


def _rank(index: int, text: str | None, output: ScoringRequestOutput) -> dict[str, Any]:
    rank = {"index": index, "score": score_number(output)}
    return rank if text is None else {**rank, "text": text}


def _choose(request: Request, name: str | None) -> ServedModel:
    table = state_of(request).models
    asked = [table.resolve(name)] if name else list(table)
    able = [each for each in asked if can_score(each)]
    able.sort(key=lambda each: "score" not in each.engine.supported_tasks)
    return model_that(able, asked, "scores of a query and a text")


def _scoring(body: TeiRerankRequest, model: ServedModel) -> ScoringFields:
    options = body.tokenization()
    reads_pairs = "score" in model.engine.supported_tasks
    return _Scoring(
        model=body.model,
        input_type=body.input_type,
        score_type=body.score_type,
        weights=body.weights,
        truncate_prompt_tokens=options.truncate_prompt_tokens,
        truncation_side=options.truncation_side,
        use_activation=not body.raw_scores if reads_pairs else None,
    )
