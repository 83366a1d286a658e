"""text-embeddings-inference's (TEI) dialect, labels: `/predict`.

Source: docs/openapi.json of TEI 1.9.3. Scores are those of the classifier's own activation (TEI itself knows a softmax
over several labels and a sigmoid of one only). A body with `parameters` comes from the hub's pipelines, whose answer is
always a list per text (`InferenceClient.text_classification` of huggingface_hub).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.outputs import PoolingRequestOutput
from cenote.server.body import json_body_schema, read_json, validate
from cenote.server.inference import InferenceCall, infer
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState
from cenote.server.tei import count_characters
from cenote.server.tei_fields import TeiFields, TeiPairs, TeiTruncation
from cenote.server.tei_models import check_given, check_prompts, is_offered, model_for_task
from cenote.server.tei_replies import Cost, bare_response
from cenote.types import PoolingParams

__all__ = ["TeiPredictRequest", "tei_predict", "tei_predict_router"]

_TASK = "classify"


class TeiPipelineParameters(BaseModel):
    """`parameters` of the hub's text-classification pipeline."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = Field(
        default=None, description="What turns logits into scores; none given is the model's own."
    )
    top_k: int | None = Field(default=None, ge=1, description="Return so many labels at most.")


class TeiPredictRequest(TeiFields, TeiTruncation):
    """Body of `/predict`."""

    inputs: TeiPairs = Field(description="What to label: a text, a pair of texts, or a batch of either.")
    raw_scores: bool = Field(default=False, description="Give logits, without activation.")
    parameters: TeiPipelineParameters | None = Field(default=None, description="As the hub's pipelines take them.")


class TeiPrediction(TypedDict):
    """A label and its score."""

    score: float
    label: str


#: Answer of `/predict`, for one input and for a batch.
TeiPredictions: TypeAlias = list[TeiPrediction] | list[list[TeiPrediction]]


def tei_predict_router(state: ServerState) -> APIRouter:
    """Return the route; it answers 424 where no served model labels texts."""
    router = APIRouter(tags=["text-embeddings-inference"])
    extra = json_body_schema(TeiPredictRequest, example={"inputs": "What is a cenote?"}, response=TeiPredictions)

    @router.post(
        "/predict",
        summary="Label texts, or pairs of texts",
        openapi_extra=extra,
        include_in_schema=is_offered(state, _TASK),
    )
    async def predict(request: Request) -> Response:
        return await tei_predict(request, await read_json(request))

    return router


async def tei_predict(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body of `/predict`: labels by descending score."""
    given = data.get("inputs")
    if isinstance(given, list) and given and isinstance(given[0], list):  # texts in a flat list are one input
        check_given(request, given, "inputs")
    body = await validate(data, TeiPredictRequest, request)
    model = model_for_task(request, body.model, _TASK)
    is_batch, prompts = body.inputs
    cost, asked = Cost(count_characters(prompts)), body.parameters or TeiPipelineParameters()
    check_prompts(request, prompts)
    raw = body.raw_scores or asked.function_to_apply is not None
    call = InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=prompts,
        task=_TASK,
        params=PoolingParams(use_activation=not raw),
        tokenization=body.tokenization(),
        response_id=f"tei-{claim_request_id(request, None)}",
        role=body.role(),
    )
    outputs = await infer(request, call)
    labels = model.engine.labels
    items = [orjson.dumps(_ranked(output, labels, asked), option=orjson.OPT_SERIALIZE_NUMPY) for output in outputs]
    headers = cost.headers(sum(len(output.prompt_token_ids) for output in outputs))
    if is_batch or body.parameters is not None:
        return bare_response(items, headers)
    return Response(items[0], headers=headers, media_type="application/json")


def _ranked(output: PoolingRequestOutput, labels: tuple[str, ...], asked: TeiPipelineParameters) -> list[TeiPrediction]:
    values = output.outputs.data
    if asked.function_to_apply == "sigmoid":
        values = values.sigmoid()
    elif asked.function_to_apply == "softmax":
        values = values.softmax(-1)
    # numpy's numbers keep the precision that they were computed in: JSON holds no digits beyond it.
    scores = values.float().numpy()
    found = [TeiPrediction(score=score, label=label) for score, label in zip(scores, labels, strict=True)]
    return sorted(found, key=lambda item: -item["score"])[: asked.top_k]
