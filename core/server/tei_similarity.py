"""text-embeddings-inference's (TEI) dialect: `/similarity`, the cosines of one sentence and others."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from cenote.server.body import json_body_schema, read_json, validate
from cenote.server.encoding import VectorFormat
from cenote.server.state import ServerState
from cenote.server.tei import count_characters, run_embed
from cenote.server.tei_fields import TeiEmbedFields, TeiFields, TeiTruncation
from cenote.server.tei_models import check_given, check_size, is_offered
from cenote.server.tei_replies import Cost
from cenote.types import PoolingParams, Prompt

__all__ = ["TeiSimilarityRequest", "tei_similarity", "tei_similarity_router"]

_EXAMPLE = {"inputs": {"source_sentence": "What is a cenote?", "sentences": ["A natural pit.", "Bread is baked."]}}


class TeiSentences(BaseModel):
    """`inputs` of `/similarity`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    source_sentence: str = Field(description="What the others are compared with.")
    sentences: list[str] = Field(description="At least one.", json_schema_extra={"minItems": 1})


class TeiSimilarityParameters(TeiTruncation):
    """`parameters` of `/similarity`."""

    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")


class TeiSimilarityRequest(TeiFields):
    """Body of `/similarity`."""

    inputs: TeiSentences
    parameters: TeiSimilarityParameters = Field(default=TeiSimilarityParameters())


def tei_similarity_router(state: ServerState) -> APIRouter:
    """Return the route; it answers 424 where no served model embeds."""
    router = APIRouter(tags=["text-embeddings-inference"])
    extra = json_body_schema(TeiSimilarityRequest, example=_EXAMPLE, response=list[float])

    @router.post(
        "/similarity",
        summary="Cosines of one sentence and others",
        openapi_extra=extra,
        include_in_schema=is_offered(state, "embed"),
    )
    async def similarity(request: Request) -> Response:
        return await tei_similarity(request, await read_json(request))

    return router


async def tei_similarity(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body of `/similarity`."""
    import torch

    given = data.get("inputs")
    check_given(request, given.get("sentences") if isinstance(given, dict) else None, "sentences")
    body = await validate(data, TeiSimilarityRequest, request)
    check_size(request, len(body.inputs.sentences), "sentences")
    asked = body.parameters
    embed = TeiEmbedFields.model_construct(
        model=body.model,
        input_type=body.input_type,
        inputs=tuple(Prompt(text=text) for text in (body.inputs.source_sentence, *body.inputs.sentences)),
        prompt_name=asked.prompt_name,
        truncate=asked.truncate,
        truncation_direction=asked.truncation_direction,
    )
    cost = Cost(count_characters(embed.inputs))
    params = PoolingParams(prompt_name=asked.prompt_name, use_activation=False)
    outputs = await run_embed(request, embed, "embed", params)
    rows = torch.stack([output.outputs.data for output in outputs]).float()
    cosines = torch.nn.functional.cosine_similarity(rows[:1], rows[1:], dim=-1)
    headers = cost.headers(sum(len(output.prompt_token_ids) for output in outputs))
    return Response(VectorFormat().to_json(cosines), headers=headers, media_type="application/json")
