"""What all awaiting methods need: a model in its computing thread, and prompts through its queue."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

from cenote.engine.async_calls import Caller, CallPart, OnError, all_or_none, in_waves, outcome_of
from cenote.engine.courier import when_settled
from cenote.engine.face import EngineFace, to_output
from cenote.engine.loader import load_model
from cenote.engine.loop import ComputeLoop
from cenote.engine.observer import CallClock
from cenote.engine.request import PROMPT_ERRORS, PromptError
from cenote.outputs import PoolingRequestOutput
from cenote.types import PoolingParams, PreparedInput, Role, TokenizationOptions
from cenote.types import Prompt as ParsedPrompt

__all__ = ["AsyncFace"]

#: Prompts tokenised by one job; a call that is cancelled stops at the end of its job.
_CHUNK = 64


class AsyncFace(EngineFace):
    """A model that a computing thread runs."""

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
        clock: CallClock | None = None,
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
            clock: takes note of the stages of the call.

        Raises:
            InvalidRequest: a prompt or parameter is wrong. Nothing ran, unless the call has many prompts with media,
                which are prepared and run some at a time.
            QueueFull: the operator's limits are reached; the same holds.
        """
        options = self.request_options(task, params, tokenization or TokenizationOptions(), role, priority, also=also)
        return await self._run([CallPart(prompts, options)], Caller(request_id, on_error, clock))

    async def _run(self, parts: Sequence[CallPart], caller: Caller) -> list[PoolingRequestOutput]:
        """Run the parts of a call; results are called `<request_id>-<number>`."""
        outputs: list[PoolingRequestOutput] = []
        for wave in in_waves(parts):
            outputs += await self._run_wave(wave, caller, len(outputs))
        return outputs

    async def _run_wave(self, parts: Sequence[CallPart], caller: Caller, first: int) -> list[PoolingRequestOutput]:
        """Run parts of a call, which enter the queue together; `first` is the number of their first result."""
        with self.engine.expecting([prompt for part in parts for prompt in part.prompts], bounded=not first):
            making = [self._prepare(part, caller) for part in parts]
            tokenised = await all_or_none(making) if len(making) > 1 else [await making[0]]
        if caller.clock is not None and not first:
            caller.clock.tokenized = time.perf_counter()
        prepared = [(item, part.options) for items, part in zip(tokenised, parts, strict=True) for item in items]
        sound = [(item, options) for item, options in prepared if isinstance(item, PreparedInput)]
        requests = self.engine.submit(
            [item for item, _ in sound], [options for _, options in sound], clock=caller.clock
        )
        try:
            await when_settled(requests, until_failure=not caller.keeps_errors)
            results: list[Any] = [outcome_of(each.future, keeps_errors=caller.keeps_errors) for each in requests]
        finally:
            self.engine.cancel(requests)  # settled ones ignore it
        answers = iter(zip((request.prompt for request in requests), results, strict=True))
        pairs = [next(answers) if isinstance(item, PreparedInput) else (None, item) for item, _ in prepared]
        return [
            to_output(f"{caller.request_id}-{index}", prompt, result, options.task)
            for index, ((prompt, result), (_, options)) in enumerate(zip(pairs, prepared, strict=True), first)
        ]

    async def _prepare(self, part: CallPart, caller: Caller) -> list[PreparedInput | PromptError]:
        """Prepare prompts chunk by chunk; errors are in the list where the caller wants them there, else raised."""
        prepared: list[PreparedInput | PromptError] = []
        for start in range(0, len(part.prompts), _CHUNK):
            chunk, first = part.prompts[start : start + _CHUNK], part.first + start if part.is_located else None
            prepare: Any = self.engine.prepare_each if caller.keeps_errors else self.engine.prepare
            try:
                made = prepare(chunk, part.options, first=first, at_once=True)
                prepared.extend(made.result() if made.done() else await asyncio.wrap_future(made))
            except PROMPT_ERRORS as exc:
                part.worded(exc)
                raise
        for place, item in enumerate(prepared):
            if isinstance(item, PreparedInput) and (error := self.engine.too_large(item, part.options)):
                if part.is_located:
                    error.locate(part.first + place)
                if not caller.keeps_errors:
                    raise part.worded(error)
                prepared[place] = error
        return [item if isinstance(item, PreparedInput) else part.worded(item) for item in prepared]
