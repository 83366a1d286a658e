"""`IOProcessor`: from any JSON value to prompts, and from the model's results to any JSON value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from cenote.errors import UnsupportedTask
from cenote.io_processors.context import ProcessorContext, RequestContext
from cenote.outputs import PoolingRequestOutput
from cenote.types import PoolingParams, PromptType, Role

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["IO_PROCESSOR_API", "IOProcessor"]

In = TypeVar("In")
Out = TypeVar("Out")

#: Version of this interface. A class made for another one is refused.
IO_PROCESSOR_API = 1


class IOProcessor(Generic[In, Out]):
    """Turns `data` of a request into prompts, and their results into the answer.

    The hooks are called in this order: `parse_data`, `pre_process`, `merge_pooling_params`, then, once the model has
    run, `post_process`. Sync hooks run in threads of the processor, never on the event loop (offline: in the thread of
    the caller); a class that overrides an async variant has that one called instead. One object serves all requests, so
    that what belongs to one of them goes into `RequestContext.state`.

    `InvalidRequest` of any hook, `ValueError` of `parse_data` and `pre_process`, and `TypeError` of `parse_data`
    become 400 with their text, `QueueFull` 429 with its text, `NotImplementedError` 501, `EngineClosed` 503 and
    `TimeoutError` 504; anything else becomes 500. Their texts name the processor and not the cause, which is logged.
    Answers may hold models of pydantic, dataclasses, arrays and tensors; a number in them that is not finite is an
    error.

    Attributes:
        Request: pydantic model of `data`; the host validates with it, and publishes it in the OpenAPI document.
        Response: pydantic model of the answer's `data`; the same.
        Settings: pydantic model of what an operator may set for the processor.
        tasks: tasks that it can work with, the preferred one first; `a&b` is two in one pass, whose results are in
            `outputs.by_task`. The first that the model has is run. Empty: the model's default task.
        role: what the prompts are for, where the request does not say.
        examples: values of `data` that work, for the OpenAPI document and the conformance kit.
        api_version: version of this interface that the class was written for.
    """

    Request: ClassVar[type[BaseModel] | None] = None
    Response: ClassVar[type[BaseModel] | None] = None
    Settings: ClassVar[type[BaseModel] | None] = None
    tasks: ClassVar[tuple[str, ...]] = ()
    role: ClassVar[Role | None] = None
    examples: ClassVar[Sequence[Any]] = ()
    api_version: ClassVar[int] = IO_PROCESSOR_API

    def __init__(self, context: ProcessorContext) -> None:
        """Keep what the host tells; called once per model, when it is loaded.

        Args:
            context: facts of the model, the operator's settings, and what the host offers.
        """
        self.context = context

    def parse_data(self, data: Any) -> In:
        """Return what `pre_process` takes; the default is `data` as it came, validated by `Request` where there is one.

        Raises:
            ValueError: the data is not acceptable; the text goes to the client.
        """
        return cast("In", data)

    def pre_process(self, prompt: In, context: RequestContext) -> PromptType | Sequence[PromptType]:
        """Return one prompt, or several, in any form that `LLM.encode` takes.

        Raises:
            ValueError: the data is not acceptable; the text goes to the client.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither pre_process nor pre_process_async.")

    async def pre_process_async(self, prompt: In, context: RequestContext) -> PromptType | Sequence[PromptType]:
        """Do the same for hosts with an event loop; the default calls `pre_process` in a thread."""
        prompts = await context.in_thread(self.pre_process, prompt, context)
        return cast("PromptType | Sequence[PromptType]", prompts)

    def merge_pooling_params(self, params: PoolingParams, context: RequestContext) -> PoolingParams:
        """Return the parameters that the prompts run with; their `task` may join several tasks with `&`.

        Args:
            params: the caller's.
            context: the request.

        Raises:
            UnsupportedTask: the model has none of the `tasks`.
        """
        return replace(params, task=self.choose_task())

    def choose_task(self) -> str:
        """Return the first of `tasks` that the model has, or its default task where there are none.

        Raises:
            UnsupportedTask: it has none of them.
        """
        offered = self.context.supported_tasks
        for task in self.tasks or (self.context.default_task,):
            if set(task.split("&")) <= set(offered):
                return task
        text = (
            f"The IO processor {self.context.name!r} works with a model that can do {' or '.join(self.tasks)}; "
            f"{self.context.model!r} can do {', '.join(offered)}."
        )
        raise UnsupportedTask(text, param="io_processor")

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Out:
        """Return the answer from the results, which are in the order of the prompts."""
        raise NotImplementedError(f"{type(self).__name__} has neither post_process nor post_process_async.")

    async def post_process_async(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Out:
        """Do the same for hosts with an event loop; the default calls `post_process` in a thread."""
        return cast("Out", await context.in_thread(self.post_process, outputs, context))

    def close(self) -> None:
        """Let go of what the processor holds; called once, when the model is shut down."""
