"""`/pooling`: every task of the served models, chosen by each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from cenote.errors import InvalidRequest
from cenote.server.body import read_json, validate
from cenote.server.chat_fields import ChatFields
from cenote.server.columns import Column, check_columns, form_columns
from cenote.server.embedding_reply import PoolingResponse
from cenote.server.inference import InferenceCall, check_count, infer
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema
from cenote.server.pooling_fields import PoolingFields
from cenote.server.processed import answer_processed, selected_processors
from cenote.server.processed_fields import is_processed
from cenote.server.processed_openapi import with_processors
from cenote.server.prompts import PromptInput
from cenote.server.replies import ListReply, list_response
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState, state_of
from cenote.tasks import FORMS, form_tasks, get_task
from cenote.types import PoolingParams, Prompt

__all__ = ["PoolingRequest", "answer_pooling", "pooling_router"]


class PoolingRequest(PoolingFields, ChatFields):
    """Body of `/pooling`."""

    removed_tasks: ClassVar[tuple[str, ...]] = ("encode",)

    input: PromptInput | None = Field(default=None, description="What to pool; or messages.")
    task: str | None = Field(
        default=None,
        description="embed, token_embed, classify, token_classify or score; none is the model's default.",
    )
    step_tag_id: int | None = Field(default=None, description="Keep the rows of this token (STEP pooling only).")
    returned_token_ids: list[int] | None = Field(default=None, description="Keep these columns (STEP pooling only).")

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_forms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "dimensions" in data:
            text = "dimensions is not offered on /pooling; use /v1/embeddings, or set a default for the server."
            raise InvalidRequest(text, param="dimensions")
        if "outputs" in data and "task" in data:
            raise InvalidRequest("outputs names what the task is; send one of them.", param="outputs")
        if "messages" in data and "input" in data:
            raise InvalidRequest("The body has both input and messages; send one of them.", param="messages")
        if "messages" not in data and "input" not in data:
            text = "The body has neither input nor messages, nor data for an IO processor; send one of them."
            raise InvalidRequest(text, param="input")
        return data

    def prompts(self) -> Sequence[Prompt]:
        """Return what to pool."""
        return [self.messages] if self.messages is not None else self.input or ()

    def params(self) -> PoolingParams:
        """Return what to compute."""
        columns = None if self.returned_token_ids is None else tuple(self.returned_token_ids)
        return replace(super().params(), step_tag_id=self.step_tag_id, returned_token_ids=columns)


def pooling_router(state: ServerState) -> APIRouter:
    """Return the route, which every model can answer."""
    router = APIRouter(tags=["pooling"])

    extra = json_body_schema(
        PoolingRequest,
        examples={
            "the model's default task": {"input": ["A cenote is a natural pit."]},
            "an error for each input that is too long": {"input": ["A cenote.", "A pit."], "on_error": "item"},
        },
        response=PoolingResponse,
        media=["application/octet-stream"],
    )
    extra = with_processors(extra, selected_processors(state.models))

    @router.post("/pooling", summary="Run any task of the model", openapi_extra=extra)
    async def create_pooling(request: Request) -> Response:
        data = await read_json(request)
        answer = answer_processed if is_processed(data) else answer_pooling
        return await answer(request, data)

    return router


async def answer_pooling(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request with this body.

    Raises:
        InvalidRequest: something about the request can never succeed.
    """
    body = await validate(data, PoolingRequest, request, first=lambda body: _check_task(request, body.task))
    response_id = f"pooling-{claim_request_id(request, body.request_id)}"
    asked = [FORMS[form] for form in body.outputs] if body.outputs else [body.task] if body.task else []
    prompts = body.prompts()
    model = state_of(request).models.resolve(body.model, lambda model: model.offers(asked) and model.reads(prompts))
    check_count(request, prompts)
    tasks = form_tasks(body.outputs) if body.outputs else (body.task or model.engine.default_task,)
    words = model.engine.token_texts if body.return_tokens else None
    if body.outputs in (None, ["dense"]):
        columns = [Column("data", tasks[0], body.vectors(), words=words)]
    else:
        columns = form_columns(body.outputs or (), body.vectors(), words)
    positions = body.return_positions
    check_columns(columns, on_error=body.on_error, count=len(prompts), positions=positions)
    outputs = await infer(request, _to_call(body, model, response_id, tasks))
    reply = ListReply(response_id, model.name, "pooling", columns, body.on_error, positions)
    return await list_response(outputs, reply)


def _check_task(request: Request, task: str | None) -> None:
    """Refuse a task that no served model has, which the contract (section 9) puts before an unknown model.

    Raises:
        InvalidRequest: as said.
    """
    if task is not None:
        get_task(task, {name for model in state_of(request).models for name in model.engine.supported_tasks})


def _to_call(body: PoolingRequest, model: ServedModel, response_id: str, tasks: Sequence[str]) -> InferenceCall:
    longest = min(map(model.engine.engine.max_tokens, tasks))
    return InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=body.prompts(),
        task=tasks[0],
        also=tuple(tasks[1:]),
        params=body.params(),
        tokenization=replace(body.tokenization(longest), chat=body.chat()),
        response_id=response_id,
        role=body.role(),
        priority=body.priority,
        on_error=body.on_error,
    )
