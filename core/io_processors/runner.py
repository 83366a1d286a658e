"""One request on its way through a processor: from `data` to prompts, and from their results to the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from cenote.errors import InvalidRequest
from cenote.inputs import parse_prompts
from cenote.io_processors.answers import NoAnswer, json_ready
from cenote.io_processors.base import IOProcessor
from cenote.io_processors.calls import HookCalls
from cenote.io_processors.context import RequestContext
from cenote.io_processors.faults import failed, fault, first_path, located, refused
from cenote.io_processors.loaded import LoadedProcessor
from cenote.outputs import PoolingRequestOutput
from cenote.types import PoolingParams, Prompt, Role

__all__ = ["Answer", "Observe", "ProcessorRun", "Work"]

T = TypeVar("T")

#: What errors blame in a prompt: none of these is a field of a request with `data`.
_OF_PROMPTS = (None, "input", "input_tokens", "messages", "prompt", "prompt_token_ids", "text", "token_type_ids")


class Observe(Protocol):
    """Hears how long a stage of a request took: `parse`, `pre`, `run` or `post`."""

    def __call__(self, stage: str, seconds: float, failed: bool) -> None:
        """Take note of a stage."""
        ...


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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a processor made of the results.

    Attributes:
        value: what `post_process` returned.
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
    """

    def __init__(
        self, who: LoadedProcessor, context: RequestContext, calls: HookCalls, observe: Observe | None = None
    ) -> None:
        self._who = who
        self._context = context
        self._calls = calls
        self._observe = observe

    async def begin(self, data: Any) -> Work:
        """Return what the model is to do for `data`.

        Raises:
            ProcessorRefusal: the data is not acceptable.
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
            return Answer(value, await self._plain("post_process", self._answer, value))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell the observer how long the block took."""
        begin, is_done = time.perf_counter(), False
        try:
            yield
            is_done = True
        finally:
            if self._observe is not None:
                self._observe(name, time.perf_counter() - begin, not is_done)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the block run the model: the same, and what it says of a prompt names the processor that made it."""
        with self.stage("run"):
            try:
                yield
            except InvalidRequest as exc:
                exc.args = (f"{self._who.subject}, running its prompts: {exc.args[0]}",)
                exc.param = "data" if exc.param in _OF_PROMPTS else exc.param
                raise

    async def _plain(self, hook: str, function: Callable[..., T], *arguments: Any) -> T:
        def guarded() -> T:
            try:
                return function(*arguments)
            except BaseException as exc:
                raise self._fault(hook, exc) from exc

        return await self._calls.plain(self._who, guarded)

    async def _hook(self, name: str, argument: Any) -> Any:
        """Call a hook that has an async variant: that one, where the processor's class overrides it."""
        processor, awaited = self._who.processor, f"{name}_async"
        if getattr(type(processor), awaited) is getattr(IOProcessor, awaited):
            return await self._plain(name, getattr(processor, name), argument, self._context)

        async def guarded() -> Any:
            try:
                return await getattr(processor, awaited)(argument, self._context)
            except asyncio.CancelledError as exc:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise self._fault(name, exc) from exc  # what the hook awaited was cancelled, and not the request
            except BaseException as exc:
                raise self._fault(name, exc) from exc

        return await self._calls.awaited(guarded)

    def _fault(self, hook: str, cause: BaseException) -> Exception:
        """Return the error for whatever a hook raises, `SystemExit` included: it costs one request, not the process.

        Raises:
            KeyboardInterrupt: the cause is one.
            GeneratorExit: the cause is one.
        """
        if isinstance(cause, KeyboardInterrupt | GeneratorExit):
            raise cause
        return fault(self._who, hook, cause)

    def _parse(self, data: Any) -> Any:
        model = self._who.request_model
        if model is None:
            return self._who.processor.parse_data(data)
        from pydantic import ValidationError

        try:
            request = model.model_validate(data)
        except ValidationError as exc:
            raise refused(self._who, located(exc, "data"), first_path(exc, "data")) from exc
        return self._who.processor.parse_data(request)

    def _work(self, made: Any) -> Work:
        processor = self._who.processor
        params = processor.merge_pooling_params(self._context.params, self._context)
        if not isinstance(params, PoolingParams):
            kind = type(params).__name__
            raise failed(self._who, f"returned {kind} from merge_pooling_params in place of PoolingParams.")
        task, offered = params.task, processor.context.supported_tasks
        if task is None or (task == "plugin" and task not in offered):
            task = processor.choose_task()
        first, *also = [task] if task in offered else dict.fromkeys(task.split("&"))
        return Work(
            prompts=self._prompts(made),
            task=first,
            also=tuple(also),
            params=replace(params, task=None),
            role=self._context.role or processor.role,
        )

    def _prompts(self, made: Any) -> list[Prompt]:
        if isinstance(made, list | tuple) and not made:
            return []
        try:
            return parse_prompts(made)
        except InvalidRequest as exc:
            raise failed(self._who, f"returned from pre_process what is no prompt: {exc}") from exc

    def _answer(self, value: Any) -> Any:
        from pydantic import ValidationError

        try:
            return json_ready(value, self._who.response_model)
        except NoAnswer as exc:
            raise failed(self._who, f"returned {exc}.") from exc
        except ValidationError as exc:
            text = f"returned what its Response does not allow: {located(exc, 'data')}"
            raise failed(self._who, text) from exc
