"""Daemon threads that run jobs."""

from __future__ import annotations

import contextvars
import threading

import pytest

from cenote.errors import EngineClosed
from cenote.threads import DaemonThreads


def test_threads_begin_when_there_are_jobs_and_never_more_than_their_number() -> None:
    threads, go = DaemonThreads(2, "few"), threading.Event()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("few")]
    jobs = [threads.submit(go.wait, 60) for _ in range(5)]
    assert sorted(thread.name for thread in threading.enumerate() if "few" in thread.name) == ["few-0", "few-1"]
    go.set()
    assert [job.result(timeout=60) for job in jobs] == [True] * 5
    threads.shutdown(EngineClosed)


def test_a_job_sees_the_context_variables_of_its_caller() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    threads = DaemonThreads(1, "context")
    variable.set("ours")
    assert threads.submit(variable.get).result(timeout=60) == "ours"
    threads.shutdown(EngineClosed)


def test_a_job_that_waits_at_the_end_or_comes_later_fails() -> None:
    threads, go = DaemonThreads(1, "ended"), threading.Event()
    running = threads.submit(go.wait, 60)
    waiting = threads.submit(go.wait, 60)
    while not running.running():
        threading.Event().wait(0.001)
    threads.shutdown(lambda: EngineClosed("It ended."))
    go.set()
    assert running.result(timeout=60) is True
    for late in (waiting, threads.submit(go.wait, 60)):
        with pytest.raises(EngineClosed, match=r"^It ended\.$"):
            late.result(timeout=60)
