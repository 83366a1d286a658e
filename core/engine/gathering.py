"""One future for the parts of a call that several threads prepare."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar, cast

from cenote.engine.request import PROMPT_ERRORS, PromptError

__all__ = ["Gathering"]

T = TypeVar("T")


class Gathering(Generic[T]):
    """The results of jobs, each of which prepares some of a call's prompts, in the order of the prompts.

    Attributes:
        future: of all results. Cancelling it cancels the jobs that have not begun.
    """

    def __init__(self, jobs: Sequence[Future[list[T | PromptError]]], *, keeps_errors: bool) -> None:
        """Wait for jobs.

        Args:
            jobs: in the order of the prompts, at least one; one that raises fails all.
            keeps_errors: errors stay in the list; else the first one is raised, and jobs that have not begun by then
                are cancelled.
        """
        self.future: Future[list[T | PromptError]] = Future()
        self._jobs = list(jobs)
        self._keeps_errors = keeps_errors
        self._left = len(jobs)
        self._lock = threading.Lock()
        # Not by a method: the future would keep this object, and so itself and what was prepared, in a circle.
        self.future.add_done_callback(partial(_cancel_with, self._jobs))
        for job in jobs:
            job.add_done_callback(self._note)

    def _note(self, job: Future[list[T | PromptError]]) -> None:
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._finish()
        elif not job.cancelled() and _failure(job, keeps_errors=self._keeps_errors) is not None:
            _cancel(self._jobs)

    def _finish(self) -> None:
        done = [job for job in self._jobs if not job.cancelled()]
        self._jobs.clear()
        if not self.future.set_running_or_notify_cancel():
            return
        failures = (_failure(job, keeps_errors=self._keeps_errors) for job in done)
        failure = next((each for each in failures if each is not None), None)
        if failure is not None:
            self.future.set_exception(failure)
        else:
            self.future.set_result([item for job in done for item in job.result()])


def _cancel_with(jobs: list[Future[list[T | PromptError]]], future: Future[list[T | PromptError]]) -> None:
    if future.cancelled():
        _cancel(jobs)


def _cancel(jobs: list[Future[list[T | PromptError]]]) -> None:
    for job in tuple(jobs):
        job.cancel()


def _failure(job: Future[list[T | PromptError]], *, keeps_errors: bool) -> BaseException | None:
    """Return why a job that is done fails all, or None."""
    raised = job.exception()
    if raised is not None or keeps_errors:
        return raised
    found = next((item for item in job.result() if isinstance(item, PROMPT_ERRORS)), None)
    return cast("BaseException | None", found)
