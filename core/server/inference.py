"""Run prompts for one HTTP request: within the deadline, while the client listens, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastapi import Request

from cenote.errors import InvalidRequest
from cenote.server.measured import measured
from cenote.server.models import ServedModel
from cenote.server.roles import check_role
from cenote.server.stages import Stages
from cenote.server.state import state_of
from cenote.tasks import check_params, get_task
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.engine.async_llm import OnError
    from cenote.outputs import PoolingRequestOutput, ScoringRequestOutput

__all__ = ["InferenceCall", "ScoreCall", "check_count", "infer", "infer_scores", "with_adapter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceCall:
    """What a dialect asks of the engine.

    Attributes:
        model: the model that the request names.
        asked_name: how the request names it, or None.
        prompts: at least one.
        task: one that the model supports.
        params: what to compute.
        tokenization: how text becomes tokens.
        response_id: prefix and request id, as in `embd-1`.
        role: what the inputs are for.
        priority: lower is sooner.
        also: further tasks that the same pass answers; their results are in `outputs.by_task`.
        on_error: `item` gives a prompt that is wrong or fails an `error`, and the others their results.
    """

    model: ServedModel
    asked_name: str | None
    prompts: Sequence[Prompt]
    task: str
    params: PoolingParams
    tokenization: TokenizationOptions
    response_id: str
    role: Role | None = None
    priority: int = 0
    also: tuple[str, ...] = ()
    on_error: OnError = "raise"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCall:
    """What a dialect asks of the engine where texts are scored in pairs.

    Attributes:
        model: the model that the request names; its low-rank adapter is used where it names one.
        asked_name: how the request names it, or None.
        queries: one, or as many as documents.
        documents: at least one.
        params: what to compute.
        tokenization: how text becomes tokens.
        response_id: prefix and request id, as in `score-1`.
        score_type: the way of scoring; None is the model's own.
        use_prompts: put the model's stored query and document prompts in front.
        weights: of the parts of a mix; None is equal ones.
        priority: lower is sooner.
        on_error: `item` gives a pair that is wrong or fails an `error`, and the others their scores.
        names: of the two sides in the request, for messages.
    """

    model: ServedModel
    asked_name: str | None
    queries: Sequence[Prompt]
    documents: Sequence[Prompt]
    params: PoolingParams
    tokenization: TokenizationOptions
    response_id: str
    score_type: str | None = None
    use_prompts: bool = False
    weights: Sequence[float] | None = None
    priority: int = 0
    on_error: OnError = "raise"
    names: tuple[str, str] = ("queries", "documents")


def check_count(request: Request, prompts: Sequence[Prompt]) -> None:
    """Refuse more inputs than the operator allows in one request.

    Raises:
        InvalidRequest: as said.
    """
    most = state_of(request).config.max_items_per_request
    if len(prompts) > most:
        raise InvalidRequest(f"input has {len(prompts)} elements; at most {most} are allowed.", param="input")


async def infer(request: Request, call: InferenceCall) -> list[PoolingRequestOutput]:
    """Run the prompts and return their results in order.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left; what had not run by then is cancelled.
    """
    engine = call.model.engine
    # Checked here as well as in the engine, because the message carries the model's name as this client knows it, and
    # before tokenising, unlike the contract's order: what the model cannot do need not be tokenised to be refused.
    task = get_task(call.task, engine.supported_tasks)
    params = with_adapter(call.params, call.model.lora)
    others = [get_task(name, engine.supported_tasks) for name in call.also]
    check_params(task, params, engine.limits, call.asked_name or call.model.name, also=others)
    check_role(engine, call.role, call.prompts, params)
    stages = Stages(call.model.name, call.task)
    work = engine.run(
        call.prompts,
        task=call.task,
        params=params,
        tokenization=call.tokenization,
        role=call.role,
        request_id=call.response_id,
        priority=call.priority,
        also=call.also,
        on_error=call.on_error,
        clock=stages.clock,
    )
    return await measured(request, work, stages, call.prompts, outputs_of=list)


async def infer_scores(request: Request, call: ScoreCall) -> list[ScoringRequestOutput]:
    """Score the pairs and return one result for each, in order.

    Raises:
        UnsupportedTask: the model cannot score, or not this way.
        InvalidRequest: something about the request can never succeed.
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left; what had not run by then is cancelled.
    """
    stages = Stages(call.model.name, "score")
    work = call.model.engine.score(
        call.queries,
        call.documents,
        params=call.params,
        tokenization=call.tokenization,
        score_type=call.score_type,
        use_prompts=call.use_prompts,
        weights=call.weights,
        lora=call.model.lora,
        request_id=call.response_id,
        priority=call.priority,
        on_error=call.on_error,
        names=call.names,
        clock=stages.clock,
    )
    outputs = await measured(request, work, stages, [*call.queries, *call.documents], outputs_of=list)
    state_of(request).metrics.pairs.labels(call.model.name).inc(len(outputs))
    return outputs


def with_adapter(params: PoolingParams, named: str | None) -> PoolingParams:
    """Return the parameters with the low-rank adapter that the request names in the model's place."""
    if named is None:
        return params
    if params.lora not in (None, named):
        text = f"model names the low-rank adapter {named!r}, and lora {params.lora!r:.80}; send one of them."
        raise InvalidRequest(text, param="lora")
    return replace(params, lora=named)
