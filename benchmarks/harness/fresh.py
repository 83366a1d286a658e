"""What `make bench-check` measures in fresh processes: first answers, memory, and a server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.arena import Arena
from harness.baseline import MEMORY, OVER_TEXTS
from harness.bulk import bulk_job
from harness.generators import Load, from_sockets
from harness.peers import CENOTE
from harness.scaling import by_count
from harness.servers import Server, body_of, start_server

__all__ = ["memory_over_texts", "served", "started"]

#: Starts of each side.
_STARTS = 2
#: Requests of a turn of the server, and turns; the turn with the least median counts.
_REQUESTS, _TURNS = 60, 3
#: Of turns that a load generator has: their seconds, and its connections where there are several.
_SECONDS, _TOGETHER = 3, 8
_TEXT = "Which function returns the seconds since the epoch?"
_COUNTS = (500, 4000)


def started(arena: Arena, folder: Path, one: Path, many: Path, batch: int) -> dict[str, float]:
    """Compare fresh processes, whose files are in the system's cache by now: first answers, and memory after texts."""
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for _ in range(_STARTS):
        for module, setting in (("cenote_llm", "float32"), ("transformers_padded", "sorted")):
            begin = time.perf_counter()
            with arena.local(module) as worker:
                handle = worker.load(arena.job("embed", folder, setting))["handle"]
                worker.run(handle, one, 1)
                seconds[module] = min(seconds.get(module, float("inf")), time.perf_counter() - begin)
                peaks[module] = worker.run(handle, many, batch)["peak_memory"]
    return {
        "first answer": seconds["transformers_padded"] / seconds["cenote_llm"],
        MEMORY: peaks["transformers_padded"] / peaks["cenote_llm"],
    }


def memory_over_texts(arena: Arena, folder: Path) -> dict[str, float]:
    """Return the peak of memory after few texts beside that after many, without their results: 1 is no growth."""
    few, many = by_count(arena, folder, _COUNTS, "float32")
    results = many["result_memory"] - few["result_memory"]
    return {OVER_TEXTS: few["peak_memory"] / (many["peak_memory"] - results)}


def served(arena: Arena, folder: Path) -> dict[str, float]:
    """Return the seconds of a request of one short text in float32 at a server of its own, by what it is asked.

    One at a time the median counts; of several at a time the time for each; beside a job of many texts, the slowest of
    a hundred.
    """
    server = start_server(arena, CENOTE, folder, "float32")
    try:
        server.awake(True)
        alone = min(statistics.median(_asked(server.ask) for _ in range(_REQUESTS)) for _ in range(_TURNS))
        rate = max(_load(server, _TOGETHER).rate for _ in range(_TURNS))
        with bulk_job(server):
            slow = min(_load(server, 1).p99 for _ in range(_TURNS)) / 1e3
        return {"one text": alone, f"{_TOGETHER} at a time": 1 / rate, "beside a job": slow}
    finally:
        server.close()


def _load(server: Server, connections: int) -> Load:
    # wrk takes less of the machine, but figures with and without it could not be compared.
    return from_sockets(server.address, [body_of(_TEXT)], connections=connections, seconds=_SECONDS)


def _asked(ask: Callable[[Sequence[str]], object]) -> float:
    begin = time.perf_counter()
    ask([_TEXT])
    return time.perf_counter() - begin
