"""`/pooling` with `data`: an IO processor turns it into prompts, and their results into the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from cenote.errors import InvalidRequest, ProcessorError
from cenote.io_processors.loaded import LoadedProcessor
from cenote.server.body import validate
from cenote.server.models import ModelTable, ServedModel
from cenote.server.process_run import ProcessorCall, infer_processed
from cenote.server.processed_fields import ProcessedRequest
from cenote.server.request_ids import claim_request_id
from cenote.server.state import state_of
from cenote.server.text import shorten, show

__all__ = ["answer_processed", "selected_processors"]


async def answer_processed(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request whose body has `data`.

    Raises:
        InvalidRequest: no such processor is selected, or the request can never succeed.
        ProcessorError: the processor refused the data, or failed.
    """
    body = await validate(data, ProcessedRequest, request)
    response_id = f"pooling-{claim_request_id(request, body.request_id)}"
    model, name = _choose(state_of(request).models, body.model, body.io_processor)
    call = ProcessorCall(
        model=model,
        data=body.data,
        processor=name,
        params=body.params(),
        tokenization=body.tokenization(model.engine.limits.max_tokens),
        encoding=body.encoding(),
        response_id=response_id,
        role=body.role(),
        priority=body.priority,
    )
    answer = {"request_id": response_id, "created_at": int(time.time()), "data": await infer_processed(request, call)}
    written = await asyncio.to_thread(_write, answer, model.engine.processor(name))
    return Response(written, media_type="application/json")


def selected_processors(table: ModelTable) -> dict[str, LoadedProcessor]:
    """Return the processors of all served models by name; the first is for bodies that name neither it nor a model."""
    found: dict[str, LoadedProcessor] = {}
    for model in table:
        for name in model.engine.io_processors:
            found.setdefault(name, model.engine.processor(name))
    return found


def _choose(table: ModelTable, asked_model: str | None, asked: str | None) -> tuple[ServedModel, str]:
    """Return the model of the request, or the first one that has the processor, and the processor's name.

    Raises:
        ModelNotFound: nothing has the model's name.
        InvalidRequest: the model has no such processor.
    """

    def has(model: ServedModel) -> bool:
        names = model.engine.io_processors
        return asked in names if asked else bool(names)

    model = table.resolve(asked_model, has)
    if has(model):
        return model, asked or model.engine.io_processors[0]
    selected = selected_processors(table)
    if not selected:
        text = (
            "A body with data goes to an IO processor, and this server has none. Select one with --io-processor-plugin "
            "NAME when the server starts ('cenote plugins' lists what is installed), or send input or messages."
        )
        raise InvalidRequest(text, param="data")
    listed = shorten(", ".join(selected), 1000)
    if not any(map(has, table)):
        raise InvalidRequest(f"There is no IO processor {show(asked)}. Selected: {listed}.", param="io_processor")
    missing = f"no IO processor {show(asked)}" if asked else "no IO processor"
    own = ", ".join(model.engine.io_processors) or "none"
    text = f"The model {model.name!r} has {missing}; its own: {own}. Name another model, or leave it out."
    raise InvalidRequest(text, param="model")


def _write(answer: dict[str, Any], who: LoadedProcessor) -> bytes:
    try:
        return orjson.dumps(answer)
    except TypeError as exc:  # whole numbers beyond 64 bits, and lone surrogates
        text = f"{who.subject} returned what JSON cannot hold: {exc}."
        raise ProcessorError(text, plugin=who.name, distribution=who.distribution) from exc
