"""A processor of a loaded model, and who made it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cenote.errors import EngineClosed
from cenote.io_processors.base import IOProcessor
from cenote.io_processors.threads import HookThreads
from cenote.threads import DaemonThreads

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["LoadedProcessor", "close_processors", "end_threads"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedProcessor:
    """A processor, ready for requests.

    Attributes:
        name: as requests give it.
        distribution: who offers it.
        version: of the distribution, or empty where unknown.
        processor: the object.
        threads: where its sync hooks run.
    """

    name: str
    distribution: str
    version: str
    processor: IOProcessor[Any, Any]
    threads: HookThreads = field(default_factory=HookThreads)

    @property
    def request_model(self) -> type[BaseModel] | None:
        """Return the pydantic model of `data` in requests."""
        return self.processor.Request

    @property
    def response_model(self) -> type[BaseModel] | None:
        """Return the pydantic model of `data` in answers."""
        return self.processor.Response

    @property
    def examples(self) -> Sequence[Any]:
        """Return values of `data` that work."""
        return self.processor.examples

    @property
    def description(self) -> str:
        """Return what its class says of itself."""
        return inspect.cleandoc(type(self.processor).__doc__ or "")

    @property
    def subject(self) -> str:
        """Return how messages call it."""
        return f"IO processor {self.name!r} of {self.distribution} {self.version}".rstrip()

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the processor's threads; where all are busy, wait. A call that is cancelled is abandoned.

        Raises:
            NoThreadLeft: calls that never ended hold all threads.
        """
        future = self.threads.submit(function, *arguments)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self.threads.abandon(future):
                _log.error("%s works no more: %d of its calls have not ended", self.subject, self.threads.lost)
            raise


def close_processors(processors: Sequence[LoadedProcessor], *, seconds: float = 10.0) -> None:
    """Close processors, each in a thread of its own, and wait for so long; what they raise is logged."""
    closers = [DaemonThreads(1, "cenote-close") for _ in processors]
    jobs = [threads.submit(_close, item) for threads, item in zip(closers, processors, strict=True)]
    for item, job, threads in zip(processors, jobs, closers, strict=True):
        try:
            job.result(timeout=seconds)
        except TimeoutError:
            _log.warning("%s did not close within %g s; it is left alone", item.subject, seconds)
        threads.shutdown(_closed)
    end_threads(processors)


def end_threads(processors: Sequence[LoadedProcessor]) -> None:
    """Let the threads of processors end; what waits for one fails. Waits for nothing."""
    for item in processors:
        item.threads.shutdown(_closed)


def _close(item: LoadedProcessor) -> None:
    try:
        item.processor.close()
    except BaseException:  # in a thread of its own, where no interrupt of the operator arrives
        _log.exception("%s failed in close", item.subject)


def _closed() -> EngineClosed:
    return EngineClosed("The engine was shut down before this request ran.")
