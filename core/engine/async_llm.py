"""`AsyncLLM`: the awaiting face, for servers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from cenote.engine.face import EngineFace, to_output
from cenote.engine.loader import load_model
from cenote.engine.loop import ComputeLoop
from cenote.engine.prompts import with_lora
from cenote.engine.request import RequestOptions
from cenote.engine.scoring import ScorePlan, plan_scores
from cenote.engine.tokenization import tokenization_options
from cenote.errors import EngineClosed, InvalidRequest, ModelNotFound, WrongType
from cenote.inputs import parse_prompts
from cenote.lora import LoRARequest
from cenote.outputs import PoolingRequestOutput, ScoringRequestOutput
from cenote.scoring.texts import ScoreSide
from cenote.types import PoolingParams, PreparedInput, PromptType, Role, TokenizationOptions
from cenote.types import Prompt as ParsedPrompt

__all__ = ["AsyncLLM", "OnError"]

T = TypeVar("T")

#: What becomes of a call of which one prompt fails.
OnError: TypeAlias = Literal["raise", "item"]

#: Tasks of `encode` where none is named. Source: vLLM 0.32, AsyncLLMEngine.encode.
_RAW_TASKS = ("token_embed", "token_classify", "plugin")
#: Prompts tokenised by one job; a call that is cancelled stops at the end of its job.
_CHUNK = 64


class AsyncLLM(EngineFace):
    """A pooling model for asynchronous use. All methods are safe to call from one event loop."""

    def __init__(
        self, model: str | os.PathLike[str] | None = None, *, loop: ComputeLoop | None = None, **options: Any
    ) -> None:
        """Load a model in the computing thread, which then runs it.

        Args:
            model: local folder or hub id; None is the demonstration model.
            loop: the thread, shared with other models; None is one of its own.
            **options: fields of `EngineConfig`.

        Raises:
            InvalidRequest: an option is unknown or has a wrong value.
            CheckpointError: the checkpoint cannot be loaded.
        """
        self._loop = loop or ComputeLoop()
        try:
            super().__init__(model, loader=lambda config: self._loop.call(load_model, config).result(), **options)
            self._loop.join(self.engine)
        finally:
            if loop is None:
                self._loop.close()  # the thread ends with its one engine

    @property
    def is_healthy(self) -> bool:
        """Tell whether requests are answered."""
        return self.engine.is_healthy and self._loop.is_alive

    async def run(
        self,
        prompts: Sequence[ParsedPrompt],
        *,
        task: str,
        params: PoolingParams | None = None,
        tokenization: TokenizationOptions | None = None,
        role: Role | None = None,
        request_id: str = "",
        priority: int = 0,
        also: Sequence[str] = (),
        on_error: OnError = "raise",
    ) -> list[PoolingRequestOutput]:
        """Return the results of some prompts, in order. Cancelling the call cancels what has not run yet.

        Args:
            prompts: parsed prompts, at least one.
            task: the task.
            also: further tasks that the same pass answers; their results are in `outputs.by_task`.
            on_error: `raise`, or `item`: a prompt that is wrong or fails has an `error`, the others their results.
            params: its parameters.
            tokenization: how text becomes tokens.
            role: what the inputs are for.
            request_id: results are called `<request_id>-<index>`.
            priority: lower runs sooner.

        Raises:
            InvalidRequest: a prompt or parameter is wrong; nothing ran.
            QueueFull: the operator's limits are reached; nothing ran.
        """
        options = self.request_options(task, params, tokenization or TokenizationOptions(), role, priority, also=also)
        return await self._run(prompts, options, request_id, on_error=on_error)

    async def _run(
        self,
        prompts: Sequence[ParsedPrompt],
        options: RequestOptions,
        request_id: str,
        first: int = 0,
        on_error: OnError = "raise",
        blame: Callable[[InvalidRequest], None] | None = None,
    ) -> list[PoolingRequestOutput]:
        """Run prompts of equal options; their results are called `<request_id>-<number>`, from `first` on.

        `blame` words the error of a prompt as the caller of this method knows it.
        """
        try:
            prepared = await self._prepare(prompts, options, on_error, located=len(prompts) > 1 or blame is not None)
        except InvalidRequest as exc:
            if blame is not None:
                blame(exc)
            raise
        for item in prepared:
            if blame is not None and isinstance(item, InvalidRequest):
                blame(item)
        requests = self.engine.submit([item for item in prepared if isinstance(item, PreparedInput)], options)
        try:
            waiting = (asyncio.wrap_future(request.future) for request in requests)
            results = [await (each if on_error == "raise" else _settled(each)) for each in waiting]
        finally:
            self.engine.cancel(requests)  # settled ones ignore it
        answers = iter(zip((request.prompt for request in requests), results, strict=True))
        pairs = [(None, item) if isinstance(item, InvalidRequest) else next(answers) for item in prepared]
        return [
            to_output(f"{request_id}-{index}", prompt, result, options.task)
            for index, (prompt, result) in enumerate(pairs, first)
        ]

    async def _prepare(
        self, prompts: Sequence[ParsedPrompt], options: RequestOptions, on_error: OnError, *, located: bool
    ) -> list[PreparedInput | InvalidRequest]:
        """Tokenise prompts chunk by chunk; with `item`, what cannot be tokenised is an error in the list.

        `located` errors say which prompt of the list is to blame.
        """
        prepared: list[PreparedInput | InvalidRequest] = []
        for start in range(0, len(prompts), _CHUNK):
            chunk, first = prompts[start : start + _CHUNK], start if located else None
            if on_error == "item":
                mixed: list[PreparedInput | InvalidRequest]
                mixed = await asyncio.wrap_future(self.engine.prepare_each(chunk, options, first=first))
                prepared.extend(mixed)
            else:
                part: list[PreparedInput] = await asyncio.wrap_future(self.engine.prepare(chunk, options, first=first))
                prepared.extend(part)
        return prepared

    async def score(
        self,
        queries: ScoreSide,
        documents: ScoreSide,
        *,
        params: PoolingParams | None = None,
        tokenization: TokenizationOptions | None = None,
        score_type: str | None = None,
        use_prompts: bool = False,
        lora: str | None = None,
        request_id: str = "",
        priority: int = 0,
        on_error: OnError = "raise",
        names: tuple[str, str] = ("queries", "documents"),
    ) -> list[ScoringRequestOutput]:
        """Return one score per pair; the arguments are those of `LLM.score` and `run`.

        `names` are those of the two sides in messages, as the caller knows them.

        Raises:
            UnsupportedTask: the model cannot score, or not this way.
            InvalidRequest: the numbers of texts do not fit, or a parameter is wrong; nothing ran.
            QueueFull: the operator's limits are reached.
        """
        plan = plan_scores(
            self,
            queries,
            documents,
            params=params,
            tokenization=tokenization or TokenizationOptions(),
            score_type=score_type,
            use_prompts=use_prompts,
            lora=lora,
            priority=priority,
            names=names,
        )
        parts = [self._run_part(plan, start, end, request_id, on_error, names) for start, end in plan.parts()]
        answers = [answer for group in await _all_or_none(parts) for answer in group]
        return await asyncio.to_thread(plan.outputs, answers, self.limits.pad_token_id)

    async def _run_part(
        self, plan: ScorePlan, start: int, end: int, request_id: str, on_error: OnError, names: tuple[str, str]
    ) -> list[PoolingRequestOutput]:
        prompts = [item.prompt for item in plan.inputs[start:end]]
        blame = partial(plan.blame, names=names, first=start)
        return await self._run(prompts, plan.options[start], request_id, start, on_error, blame)

    async def encode(
        self,
        prompt: PromptType,
        pooling_params: PoolingParams | None = None,
        request_id: str = "",
        lora_request: LoRARequest | None = None,
        trace_headers: Mapping[str, str] | None = None,
        priority: int = 0,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        *,
        role: Role | None = None,
    ) -> AsyncIterator[PoolingRequestOutput]:
        """Yield the one result of a prompt.

        The task is that of the parameters, else the first of `token_embed`, `token_classify`, `plugin` that the model
        can do, as in vLLM.

        Raises:
            InvalidRequest: the prompt or a parameter is wrong.
        """
        del trace_headers  # accepted for compatibility: nothing is traced
        if pooling_params is not None and not isinstance(pooling_params, PoolingParams):
            text = f"pooling_params must be PoolingParams, not {type(pooling_params).__name__}."
            raise WrongType(text, param="pooling_params")
        params = pooling_params or PoolingParams()
        if lora_request is not None:
            params = with_lora(params, await asyncio.to_thread(self.lora_name, lora_request))
        outputs = await self.run(
            parse_prompts(prompt),
            task=params.task or next((name for name in _RAW_TASKS if name in self.supported_tasks), self.default_task),
            params=params,
            tokenization=tokenization_options(tokenization_kwargs),
            role=role,
            request_id=request_id,
            priority=priority,
        )
        for output in outputs:
            yield output

    async def shutdown(self, drain_seconds: float = 0.0) -> None:
        """Stop the engine; what is queued may finish within `drain_seconds`."""
        await asyncio.to_thread(self.engine.shutdown, drain_seconds)


async def _settled(future: asyncio.Future[Any]) -> Any:
    """Return a prompt's result, or the model's failure with it; what concerns the whole call is raised."""
    try:
        return await future
    except (InvalidRequest, ModelNotFound, EngineClosed):
        raise
    except Exception as exc:
        return exc


async def _all_or_none(parts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await parts that run at the same time; where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
