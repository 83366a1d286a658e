"""`/rerank`, `/v1/rerank` and `/v2/rerank`: documents sorted by how well they answer a query.

One body and one answer serve the clients of vLLM, Cohere (v1 and v2), Jina and Voyage, whose fields do not clash. A
body with `texts` is text-embeddings-inference's, which has an answer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, TypeAlias

import orjson
from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from starlette.responses import Response

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.outputs import ScoringRequestOutput
from cenote.server.body import read_json, validate
from cenote.server.item_errors import write_items
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema
from cenote.server.request_ids import claim_request_id
from cenote.server.rerank_documents import RerankDocument, rerank_documents
from cenote.server.rerank_reply import RerankResponse, rerank_reply
from cenote.server.score_fields import ITEM_SCHEMA, ScoreOne, ScoringFields
from cenote.server.score_run import can_score, run_scores
from cenote.server.state import ServerState, state_of
from cenote.server.tei_errors import tei_envelope
from cenote.server.tei_rerank import TeiRank, TeiRerankRequest, tei_rerank
from cenote.types import Prompt

__all__ = ["RerankRequest", "answer_ranking", "rerank_router"]

#: Routes, each with the version of Cohere's API that its answer names.
_VERSIONS = {"/rerank": "2", "/v1/rerank": "1", "/v2/rerank": "2", "/infinity/rerank": "1"}
#: Infinity's clients send what vLLM's do, and read a document as its text where vLLM's read an object.
_PLAIN = "/infinity/rerank"
_EXAMPLES: dict[str, dict[str, Any]] = {
    "texts": {"query": "What is a cenote?", "documents": ["A kind of bread.", "A natural pit."], "top_n": 1},
    "objects (Cohere v1)": {
        "query": "What is a cenote?",
        "documents": [{"title": "Cenote", "text": "A natural pit."}, {"title": "Bread", "text": "It is baked."}],
        "rank_fields": ["title", "text"],
        "return_documents": False,
    },
    "text-embeddings-inference": {"query": "What is a cenote?", "texts": ["A kind of bread.", "A natural pit."]},
}


def _parse_documents(value: Any) -> list[Any]:
    documents = value if isinstance(value, list) else [value]
    if not documents:
        raise InvalidRequest("documents is empty; give at least one.", param="documents")
    return documents


_DOCUMENT_SCHEMA = {"anyOf": [*ITEM_SCHEMA["anyOf"], {"type": "object", "additionalProperties": True}]}
#: A body field that holds one document or several; `rerank_documents` reads them.
Documents: TypeAlias = Annotated[
    list[Any],
    PlainValidator(_parse_documents),
    WithJsonSchema(
        {"anyOf": [*_DOCUMENT_SCHEMA["anyOf"], {"type": "array", "items": _DOCUMENT_SCHEMA, "minItems": 1}]}
    ),
]


class RerankRequest(ScoringFields):
    """Body of `/rerank`."""

    query: ScoreOne = Field(description="What the documents are to answer.")
    documents: Documents = Field(description="What is ranked: texts, or objects with a text or an image.")
    top_n: int | None = Field(default=None, ge=0, description="Return so many at most; 0 and none are all.")
    top_k: int | None = Field(default=None, ge=0, description="Another name of top_n (Voyage).")
    return_documents: bool = Field(default=True, description="Tell the documents as well as their places.")
    rank_fields: list[str] | None = Field(
        default=None, description="Fields of objects that are scored, one per line; none is text (Cohere v1)."
    )
    max_chunks_per_doc: int | None = Field(
        default=None, ge=1, description="Accepted; documents are read in one piece, whatever is asked (Cohere v1)."
    )
    truncation: bool | None = Field(
        default=None, description="true cuts what is too long, as truncate_prompt_tokens=-1 does (Voyage)."
    )

    @model_validator(mode="before")
    @classmethod
    def _join_synonyms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        top_n, top_k = data.get("top_n"), data.get("top_k")
        if None not in (top_n, top_k) and top_n != top_k:
            raise InvalidRequest("top_n and top_k mean the same, but differ here; send one of them.", param="top_k")
        keep = data.get("truncate_prompt_tokens")
        if data.get("truncation") is False and keep is not None:
            text = "truncation is false, but truncate_prompt_tokens asks for it; send one of them."
            raise InvalidRequest(text, param="truncation")
        return {**data, "truncate_prompt_tokens": -1} if data.get("truncation") is True and keep is None else data

    def most(self) -> int | None:
        """Return how many documents the answer has at most, or None for all."""
        return self.top_n or self.top_k or None

    def ranked(self) -> list[RerankDocument]:
        """Return the documents.

        Raises:
            InvalidRequest: one is no text, or lacks a field.
        """
        return rerank_documents(self.documents, self.rank_fields)

    def warnings(self) -> list[str]:
        """Return what was asked and is not done."""
        if self.max_chunks_per_doc in (None, 1):
            return []
        text = f"max_chunks_per_doc is {self.max_chunks_per_doc}, but each document was read in one piece."
        return [text]


def rerank_router(state: ServerState) -> APIRouter:
    """Return the routes, if a served model can score."""
    router = APIRouter(tags=["rerank"])
    if not any(can_score(model) for model in state.models):
        return router
    extra = json_body_schema(
        RerankRequest | TeiRerankRequest,
        examples=_EXAMPLES,
        response=RerankResponse | list[TeiRank],
        errors=[tei_envelope],
    )

    async def create_ranking(request: Request) -> Response:
        data = await read_json(request)
        if "texts" in data and data.get("documents") is None:
            return await tei_rerank(request, data)
        if data.get("texts") is not None:
            text = "The body has documents, and texts as text-embeddings-inference has them; send one of them."
            raise InvalidRequest(text, param="texts")
        return await answer_ranking(request, data)

    for path in _VERSIONS:
        summary = "Sort documents by how well they answer a query"
        router.add_api_route(path, create_ranking, methods=["POST"], summary=summary, openapi_extra=extra)
    return router


async def answer_ranking(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request with this body.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 501, the model cannot score.
    """
    body = await validate(data, RerankRequest, request)
    documents = body.ranked()
    response_id = f"score-{claim_request_id(request, body.request_id)}"
    model = state_of(request).models.resolve(body.model, partial(can_score, score_type=body.score_type))
    outputs = await _scores(request, body, model, response_id, [document.prompt for document in documents])
    path = request.scope["route"].path
    write = partial(
        rerank_reply,
        documents=_told(body, documents, plain=path == _PLAIN),
        response_id=response_id,
        model=model.name,
        most=body.most(),
        version=_VERSIONS.get(path, "2"),
        warnings=body.warnings(),
    )
    return write_items(outputs, body.on_error, write)


async def _scores(
    request: Request, body: RerankRequest, model: ServedModel, response_id: str, documents: Sequence[Prompt]
) -> list[ScoringRequestOutput]:
    """Score the query with each document; what says that one is too long also says how to cut it here."""
    try:
        scored = await run_scores(request, body, model, response_id, ("query", "documents"), [body.query], documents)
    except PromptTooLong as exc:
        exc.args = (_with_remedy(str(exc)),)
        raise
    return [_remedied(output) for output in scored.outputs]


def _remedied(output: ScoringRequestOutput) -> ScoringRequestOutput:
    error = output.error
    return output if error is None else replace(output, error=replace(error, message=_with_remedy(error.message)))


def _with_remedy(text: str) -> str:
    asked = "with truncate_prompt_tokens=-1"
    parts = "of the query to N tokens with max_tokens_per_query=N, or of each document with max_tokens_per_doc=N"
    return text.replace(f"{asked}.", f"{asked}, or {parts}.")


def _told(body: RerankRequest, documents: Sequence[RerankDocument], *, plain: bool) -> Sequence[RerankDocument] | None:
    """Return what the answer tells of each document; Infinity, unlike others, tells nothing unless asked."""
    if not body.return_documents or (plain and "return_documents" not in body.model_fields_set):
        return None
    return [replace(each, echo=orjson.dumps(each.prompt.text)) for each in documents] if plain else documents
