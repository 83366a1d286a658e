"""What `make bench-check` measures in fresh processes: first answers, memory, and a server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.arena import Arena
from harness.baseline import MEMORY, OVER_TEXTS
from harness.peers import CENOTE
from harness.scaling import by_count
from harness.servers import start_server

__all__ = ["memory_over_texts", "server_seconds", "started"]

#: Starts of each side.
_STARTS = 2
#: Requests of a turn of the server, and turns; the turn with the least median counts.
_REQUESTS, _TURNS = 60, 3
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


def server_seconds(arena: Arena, folder: Path) -> float:
    """Return the seconds of a request of one short text in float32, one at a time, at a server of its own."""
    server = start_server(arena, CENOTE, folder, "float32")
    try:
        server.awake(True)
        return min(statistics.median(_asked(server.ask) for _ in range(_REQUESTS)) for _ in range(_TURNS))
    finally:
        server.close()


def _asked(ask: Callable[[Sequence[str]], object]) -> float:
    begin = time.perf_counter()
    ask(["Which function returns the seconds since the epoch?"])
    return time.perf_counter() - begin
