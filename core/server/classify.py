"""`/classify`: the label of each text or pair, and the probabilities of all labels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NotRequired

import orjson
from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError
from cenote.server.body import read_json, validate
from cenote.server.chat_fields import ChatFields
from cenote.server.encoding import VectorFormat, is_large, join_objects
from cenote.server.fields import TokenizationFields
from cenote.server.inference import InferenceCall, check_count, infer
from cenote.server.item_errors import ItemError, item_error, write_items
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema
from cenote.server.prompts import PromptInput
from cenote.server.request_ids import claim_request_id
from cenote.server.score_reply import ScoreUsage
from cenote.server.state import ServerState, state_of
from cenote.server.usage import Usage
from cenote.types import PoolingParams, Prompt

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["ClassificationRequest", "answer_classify", "can_classify", "classify_router"]

_TASK = "classify"


class ClassificationRequest(TokenizationFields, ChatFields):
    """Body of `/classify`: input or messages."""

    input: PromptInput | None = Field(default=None, description="What to classify; or messages.")
    use_activation: bool | None = Field(
        default=None, description="false gives logits in place of probabilities; none is the model's default."
    )
    lora: str | None = Field(default=None, description="Run with this low-rank adapter; its name also serves as model.")

    @model_validator(mode="before")
    @classmethod
    def _check_forms(cls, data: Any) -> Any:
        if isinstance(data, dict) and ("messages" in data) is ("input" in data):
            found = "both input and messages" if "input" in data else "neither input nor messages"
            name = "messages" if "input" in data else "input"
            raise InvalidRequest(f"The body has {found}; send one of them.", param=name)
        return data

    def prompts(self) -> Sequence[Prompt]:
        """Return what to classify."""
        return [self.messages] if self.messages is not None else self.input or ()


class ClassificationEntry(TypedDict):
    """One input: its labels, or with `on_error: "item"` why there are none."""

    index: int
    label: NotRequired[str | None]
    probs: NotRequired[list[float]]
    num_classes: NotRequired[int]
    error: NotRequired[ItemError]


class ClassificationResponse(TypedDict):
    """Answer of `/classify`."""

    id: str
    object: str
    created: int
    model: str
    data: list[ClassificationEntry]
    usage: ScoreUsage


def can_classify(model: ServedModel) -> bool:
    """Tell whether a model gives labels."""
    return _TASK in model.engine.supported_tasks


def classify_router(state: ServerState) -> APIRouter:
    """Return the route, if a served model gives labels."""
    router = APIRouter(tags=["classify"])
    if not any(map(can_classify, state.models)):
        return router
    extra = json_body_schema(ClassificationRequest, example={"input": ["What a day!"]}, response=ClassificationResponse)

    @router.post("/classify", summary="Label texts, pairs or a conversation", openapi_extra=extra)
    async def create_classification(request: Request) -> Response:
        return await answer_classify(request, await read_json(request))

    return router


async def answer_classify(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request with this body.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 501, the model gives no labels.
    """
    body = await validate(data, ClassificationRequest, request)
    response_id = f"classify-{claim_request_id(request, body.request_id)}"
    prompts = body.prompts()
    model = state_of(request).models.resolve(body.model, lambda model: can_classify(model) and model.reads(prompts))
    if not can_classify(model):
        tasks = ", ".join(model.engine.supported_tasks)
        raise ApiError(501, "NotImplementedError", f"The model {model.name!r} gives no labels; it offers {tasks}.")
    check_count(request, prompts)
    outputs = await infer(request, _to_call(body, model, response_id))
    head: dict[str, object] = {"id": response_id, "object": "list", "created": int(time.time()), "model": model.name}
    write = partial(write_items, outputs, body.on_error, partial(_to_response, labels=_given_labels(model), head=head))
    return await asyncio.to_thread(write) if is_large([output.outputs.data for output in outputs]) else write()


def _to_call(body: ClassificationRequest, model: ServedModel, response_id: str) -> InferenceCall:
    return InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=body.prompts(),
        task=_TASK,
        params=PoolingParams(use_activation=body.use_activation, lora=body.lora),
        tokenization=replace(body.tokenization(model.engine.engine.max_tokens(_TASK)), chat=body.chat()),
        response_id=response_id,
        role=body.role(),
        priority=body.priority,
        on_error=body.on_error,
    )


def _given_labels(model: ServedModel) -> list[str | None]:
    """Return the names of the labels; null for a name that only says its number, where the config has none."""
    is_named = bool(model.engine.model_config.get("id2label"))
    labels = model.engine.labels
    return [label if is_named or label != f"LABEL_{index}" else None for index, label in enumerate(labels)]


def _to_response(
    outputs: Sequence[PoolingRequestOutput], labels: Sequence[str | None], head: dict[str, object]
) -> Response:
    items = [_entry(index, output, labels) for index, output in enumerate(outputs)]
    tail: dict[str, object] = {"usage": Usage.of(outputs).full()}
    return Response(join_objects(head, "data", items, tail), media_type="application/json")


def _entry(index: int, output: PoolingRequestOutput, labels: Sequence[str | None]) -> bytes:
    if output.error is not None:
        return orjson.dumps({"index": index, "error": item_error(output.error)})
    probs = output.outputs.data
    label = orjson.dumps(labels[int(probs.argmax())])
    return b'{"index":%d,"label":%b,"probs":%b,"num_classes":%d}' % (
        index,
        label,
        VectorFormat().to_json(probs),
        len(probs),
    )
