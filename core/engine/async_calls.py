"""What `AsyncLLM` needs around its calls: who asks, and how results are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from cenote.engine.observer import CallClock
from cenote.engine.request import PromptError, RequestOptions
from cenote.errors import EngineClosed, InvalidRequest, ModelNotFound
from cenote.types import Prompt

__all__ = ["CallPart", "Caller", "OnError", "all_or_none", "in_waves", "outcome_of"]

T = TypeVar("T")

#: Prompts with media of one call that are prepared or wait at once. Prepared they take megabytes each, however small
#: they came: without a bound, one request of many images could fill the memory.
_MOST_MEDIA = 64
#: What becomes of a call of which one prompt fails.
OnError: TypeAlias = Literal["raise", "item"]


@dataclass(frozen=True, slots=True)
class Caller:
    """What whoever calls wants to hear, and how.

    Attributes:
        request_id: in front of the numbers of results.
        on_error: what becomes of errors.
        clock: takes note of the stages of the call.
    """

    request_id: str
    on_error: OnError
    clock: CallClock | None = None

    def __post_init__(self) -> None:
        if self.on_error not in get_args(OnError):
            raise InvalidRequest(f"on_error must be 'raise' or 'item', not {self.on_error!r:.80}.", param="on_error")

    @property
    def keeps_errors(self) -> bool:
        """Tell whether a prompt's error belongs to its result."""
        return self.on_error == "item"


@dataclass(frozen=True, slots=True)
class CallPart:
    """Prompts of a call of which the same is asked.

    Attributes:
        prompts: the prompts.
        options: what is asked of them.
        blame: words the error of a prompt as the caller knows the prompt.
        first: place of the first prompt, where these are not all of what the caller gave.
    """

    prompts: Sequence[Prompt]
    options: RequestOptions
    blame: Callable[[PromptError], None] | None = None
    first: int = 0

    @property
    def is_located(self) -> bool:
        """Tell whether an error says which prompt it is about."""
        return len(self.prompts) > 1 or self.first > 0 or self.blame is not None

    def cut(self, start: int, end: int) -> CallPart:
        """Return some of the prompts, which know their places."""
        return replace(self, prompts=self.prompts[start:end], first=self.first + start)

    def worded(self, error: PromptError) -> PromptError:
        """Return the error of a prompt in the caller's words."""
        if self.blame is not None:
            self.blame(error)
        return error


def in_waves(parts: Sequence[CallPart]) -> Iterator[list[CallPart]]:
    """Cut a call where it has more prompts with media than are prepared at once; most calls are one wave."""
    wave: list[CallPart] = []
    media = 0
    for part in parts:
        start = 0
        for place, prompt in enumerate(part.prompts):
            if prompt.media and media == _MOST_MEDIA:
                yield [*wave, part.cut(start, place)] if place > start else wave
                wave, media, start = [], 0, place
            media += bool(prompt.media)
        wave.append(part.cut(start, len(part.prompts)) if start else part)
    yield wave


def outcome_of(future: Future[Any], *, keeps_errors: bool) -> Any:
    """Return a prompt's result, or the model's failure with it; what concerns the whole call is raised.

    Args:
        future: of the prompt; where the call ends before it does, one in front of it has failed.
        keeps_errors: else such a failure is raised, too.
    """
    if future.cancelled():
        raise asyncio.CancelledError
    try:
        return future.result(timeout=0)
    except (InvalidRequest, ModelNotFound, EngineClosed):
        raise
    except Exception as exc:
        if not keeps_errors:
            raise
        return exc


async def all_or_none(parts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await parts that run at the same time; where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
