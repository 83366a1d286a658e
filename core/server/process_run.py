"""Run an IO processor for one HTTP request: within the deadline, while the client listens, and counted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request

from cenote.io_processors import Encoding
from cenote.server.inference import with_adapter
from cenote.server.measured import measured
from cenote.server.models import ServedModel
from cenote.server.roles import check_role
from cenote.server.stages import Stages
from cenote.server.state import state_of
from cenote.types import PoolingParams, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["ProcessorCall", "infer_processed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCall:
    """What a body with `data` asks for.

    Attributes:
        model: the model that the request names; its low-rank adapter is used where it names one.
        data: for the processor.
        processor: name of one that the model has.
        params: of the request.
        tokenization: how the processor's texts become tokens.
        encoding: how the client wants numbers.
        response_id: prefix and request id, as in `pooling-1`.
        role: what the inputs are for.
        priority: lower is sooner.
    """

    model: ServedModel
    data: Any
    processor: str
    params: PoolingParams
    tokenization: TokenizationOptions
    encoding: Encoding
    response_id: str
    role: Role | None = None
    priority: int = 0


async def infer_processed(request: Request, call: ProcessorCall) -> Any:
    """Return the processor's answer, which JSON can hold.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ProcessorError: the processor refused the data, or failed.
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left; what had not run by then is cancelled.
    """
    engine, state = call.model.engine, state_of(request)
    params = with_adapter(call.params, call.model.lora)
    check_role(engine, call.role, (), params)
    stages = Stages(call.model.name, "plugin")
    outputs: list[PoolingRequestOutput] = []
    work = engine.process(
        call.data,
        processor=call.processor,
        params=params,
        tokenization=call.tokenization,
        role=call.role,
        encoding=call.encoding,
        request_id=call.response_id,
        priority=call.priority,
        deadline=time.monotonic() + state.config.request_timeout,
        clock=stages.clock,
        observe=state.metrics.processors.observer(call.model.name, call.processor),
        outputs_seen=outputs.extend,
        max_items=state.config.max_items_per_request,
    )
    return await measured(request, work, stages, [call.data], outputs_of=lambda answer: outputs)
