"""One request on its way through a processor: from `data` to prompts, and from their results to the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cenote.errors import InvalidRequest, ProcessorError, WrongType
from cenote.io_processors.answers import NoAnswer, json_ready, settled
from cenote.io_processors.base import IOProcessor
from cenote.io_processors.bounds import check_data
from cenote.io_processors.calls import HookCalls
from cenote.io_processors.context import RequestContext
from cenote.io_processors.faults import Verdict, complaints, failed, fault, refused
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.outcomes import Outcome, outcome_of
from cenote.io_processors.work import Work, blame, work_of
from cenote.outputs import PoolingRequestOutput

__all__ = ["Answer", "Observe", "ProcessorRun"]

T = TypeVar("T")

_MODEL = "model"


class Observe(Protocol):
    """Hears how long a stage of a request took: `parse`, `pre`, `run` or `post`."""

    def __call__(self, stage: str, seconds: float, outcome: Outcome) -> None:
        """Take note of a stage, and of how it ended."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a processor made of the results.

    Attributes:
        value: what `post_process` returned, its iterators as lists.
        data: the same as JSON can hold it, validated by `Response`.
    """

    value: Any
    data: Any


class ProcessorRun:
    """Calls the hooks of a processor for one request, in their order, and turns what they raise into errors.

    Args:
        who: the processor.
        context: of the request.
        calls: awaiting or blocking.
        observe: hears of the stages.
        most: items that a request may have, in its data and as prompts; None is any number.

    Attributes:
        where: what the request does now, for whoever waits too long.
    """

    def __init__(
        self,
        who: LoadedProcessor,
        context: RequestContext,
        calls: HookCalls,
        observe: Observe | None = None,
        most: int | None = None,
    ) -> None:
        self._who = who
        self._context = context
        self._calls = calls
        self._observe = observe
        self._most = most
        self.where = "waited"

    async def begin(self, data: Any) -> Work:
        """Return what the model is to do for `data`.

        Raises:
            ProcessorRefusal: the data is not acceptable.
            InvalidRequest: the data is too large.
            ProcessorError: a hook failed, or returned what is no prompt.
        """
        with self.stage("parse"):
            parsed = await self._plain("parse_data", self._parse, data)
        with self.stage("pre"):
            made = await self._hook("pre_process", parsed)
            return await self._plain("merge_pooling_params", self._work, made)

    async def end(self, outputs: Sequence[PoolingRequestOutput]) -> Answer:
        """Return the answer that the processor makes of the results.

        Raises:
            ProcessorError: a hook failed, or returned what is no answer.
        """
        with self.stage("post"):
            value = await self._hook("post_process", outputs)
            return await self._plain("post_process", self._answer, value)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell the observer how long the block took, and how it ended."""
        begin = time.perf_counter()
        error: BaseException | None = None
        try:
            yield
        except BaseException as exc:
            error = exc
            raise
        finally:
            if self._observe is not None:
                self._observe(name, time.perf_counter() - begin, outcome_of(error, self._context.deadline))
            del error  # which holds this frame

    @contextmanager
    def running(self, work: Work) -> Iterator[None]:
        """Let the block run the model: the same, and what it says of a prompt names the processor that made it."""
        with self.stage("run"):
            self._enter(_MODEL)
            try:
                yield
            except InvalidRequest as exc:
                if blame(self._who, self._context, work, exc) is None:
                    raise failed(self._who, f"asked for what the model does not take: {exc}") from exc
                raise

    def late(self) -> ProcessorError:
        """Return the error where the request's time ran out, which says what it was spent on."""
        who, where = self._who, self.where
        if where == _MODEL:
            text = (
                f"The model did not run the prompts of {who.subject} in the time of the request; they were cancelled."
            )
            return ProcessorError(text, plugin=who.name, distribution=who.distribution, status=504)
        return failed(who, f"{where} longer than the request may; it was cancelled.", status=504)

    def _enter(self, where: str) -> None:
        """Note what the request does from now on; once its time has run out, what it was spent on stays noted."""
        deadline = self._context.deadline
        if deadline is None or time.monotonic() < deadline:
            self.where = where

    async def _plain(self, hook: str, function: Callable[..., T], *arguments: Any) -> T:
        def guarded() -> T:
            self._enter(f"took in {hook}")
            try:
                return function(*arguments)
            except BaseException as exc:
                if isinstance(exc, KeyboardInterrupt) and self._calls.is_callers_thread:
                    raise
                raise fault(self._who, hook, exc) from exc

        self._enter(f"waited for a free thread of its own, before {hook},")
        return await self._calls.plain(self._who, guarded)

    async def _hook(self, name: str, argument: Any) -> Any:
        """Call a hook that has an async variant: that one, where the processor's class overrides it."""
        processor, awaited = self._who.processor, f"{name}_async"
        if getattr(type(processor), awaited) is getattr(IOProcessor, awaited):
            return await self._plain(name, getattr(processor, name), argument, self._context)

        async def guarded() -> Any:
            self._enter(f"took in {awaited}")
            task = asyncio.current_task()
            try:
                return await getattr(processor, awaited)(argument, self._context)
            except asyncio.CancelledError as exc:
                if task is not None and task.cancelling():
                    raise
                raise fault(self._who, name, exc) from exc  # what the hook awaited was cancelled, and not the request
            except GeneratorExit as exc:
                if _running_task() is not task:  # the coroutine is thrown away, with its loop
                    raise
                raise fault(self._who, name, exc) from exc
            except BaseException as exc:
                raise fault(self._who, name, exc) from exc

        return await self._calls.awaited(guarded)

    def _parse(self, data: Any) -> Any:
        if self._most is not None:
            try:
                check_data(data, self._most)
            except InvalidRequest as exc:
                raise Verdict(exc) from exc
        model = self._who.request_model
        if model is None:
            return self._who.processor.parse_data(data)
        from pydantic import ValidationError

        try:
            request = model.model_validate(data)
        except ValidationError as exc:
            raise Verdict(refused(self._who, *complaints(exc, "data"))) from exc
        return self._who.processor.parse_data(request)

    def _work(self, made: Any) -> Work:
        context = self._context
        try:
            params = self._who.processor.merge_pooling_params(context.params, context)
        except InvalidRequest as exc:
            if isinstance(exc, WrongType) or exc.param == "task":  # what the caller said was looked at before
                raise Verdict(failed(self._who, f"asked in merge_pooling_params for what cannot be: {exc}")) from exc
            raise
        return work_of(self._who, context, made, params, self._most)

    def _answer(self, value: Any) -> Answer:
        from pydantic import ValidationError

        try:
            value = settled(value)
            return Answer(value, json_ready(value, self._who.response_model))
        except NoAnswer as exc:
            raise Verdict(failed(self._who, f"returned {exc}.")) from exc
        except ValidationError as exc:
            text = f"returned what its Response does not allow: {complaints(exc, 'data')[0]}"
            raise Verdict(failed(self._who, text)) from exc


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None
