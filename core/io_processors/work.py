"""What a processor asks of the model, checked: what it made up itself is its own fault, and not that of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.inputs import parse_prompts
from cenote.io_processors.context import RequestContext
from cenote.io_processors.faults import Verdict, failed, refused
from cenote.io_processors.loaded import LoadedProcessor
from cenote.tasks import get_task
from cenote.types import PoolingParams, Prompt, Role

__all__ = ["Work", "blame", "work_of"]

#: What errors blame in a prompt: none of these is a field of a request with `data`.
_OF_PROMPTS = (None, "input", "input_tokens", "messages", "prompt", "prompt_token_ids", "text")
#: What a client has no part in.
_OF_PROCESSORS = ("task", "pooling_task", "token_type_ids")
_PARAMS = tuple(item.name for item in fields(PoolingParams))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a processor asks of the model.

    Attributes:
        prompts: any number, none included.
        task: the task.
        also: further tasks that the same pass answers.
        params: parameters, without a task.
        role: what the prompts are for.
    """

    prompts: Sequence[Prompt]
    task: str
    also: tuple[str, ...]
    params: PoolingParams
    role: Role | None


def work_of(who: LoadedProcessor, context: RequestContext, made: Any, params: Any, most: int | None) -> Work:
    """Return the work that a processor's hooks describe.

    Args:
        who: the processor.
        context: of the request.
        made: what `pre_process` returned.
        params: what `merge_pooling_params` returned.
        most: prompts that a request may have, or None.

    Raises:
        Verdict: it is none.
    """
    if not isinstance(params, PoolingParams):
        kind = type(params).__name__
        raise Verdict(failed(who, f"returned {kind} from merge_pooling_params in place of PoolingParams."))
    first, *also = _tasks(who, params.task)
    return Work(
        prompts=_prompts(who, made, most),
        task=first,
        also=tuple(also),
        params=replace(params, task=None),
        role=context.role or who.processor.role,
    )


def blame(who: LoadedProcessor, context: RequestContext, work: Work, error: InvalidRequest) -> InvalidRequest | None:
    """Name the processor in what the model says of its prompts, and the field of the request that is to blame.

    Returns:
        The error, or None where the processor is to blame: it made up what the model does not take.
    """
    changed = [name for name in _PARAMS if getattr(work.params, name) != getattr(context.params, name)]
    if error.param in _OF_PROCESSORS or error.param in changed:
        return None
    error.args = (f"{who.subject}, running its prompts: {error.args[0]}",)
    error.param = "data" if error.param in _OF_PROMPTS else error.param
    return error


def _tasks(who: LoadedProcessor, task: str | None) -> list[str]:
    processor = who.processor
    offered = processor.context.supported_tasks
    if task is None or (task == "plugin" and task not in offered):
        task = processor.choose_task()
    names = [task] if task in offered else list(dict.fromkeys(task.split("&")))
    try:
        return [get_task(name, offered).name for name in names]
    except UnsupportedTask as exc:
        raise Verdict(failed(who, f"asked for a task in merge_pooling_params: {exc}")) from exc


def _prompts(who: LoadedProcessor, made: Any, most: int | None) -> list[Prompt]:
    if isinstance(made, list | tuple):
        if not made:
            return []
        if most is not None and len(made) > most and type(made[0]) is not int:  # or it is one prompt, as token ids
            text = f"it makes {len(made)} prompts; at most {most} are allowed in a request."
            raise Verdict(refused(who, text))
    try:
        prompts = parse_prompts(made)
    except InvalidRequest as exc:
        raise Verdict(failed(who, f"returned from pre_process what is no prompt: {exc}")) from exc
    largest = who.processor.context.limits.max_token_id
    for place, prompt in enumerate(prompts):
        if prompt.token_ids and not 0 <= min(prompt.token_ids) <= max(prompt.token_ids) <= largest:
            text = f"returned from pre_process token ids that the model does not know: prompt {place}; it knows 0 to"
            raise Verdict(failed(who, f"{text} {largest}."))
    return prompts
