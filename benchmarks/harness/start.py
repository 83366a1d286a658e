"""Cold start to the first answer, and the peak of memory, of each library in processes of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.arena import Arena
from harness.models import MODELS, REAL, model_folder
from harness.peers import CENOTE, Peer, interpreter
from harness.process import WorkerError, environment
from harness.workload import texts_of

__all__ = ["start"]

_SETTINGS = ("float32",)
#: A library whose start takes longer is timed once.
_SLOW = 15.0
#: What no program on torch can do without: the library and the class of the model. Prints its peak of memory.
_BARE = """
import sys, torch
from transformers.models.bert.modeling_bert import BertModel
sys.path.append(sys.argv[1])
from harness.workers.main import peak_memory
print(peak_memory())
"""
_HELP = ("-P", "-c", "from cenote.cli import main; main()", "--help")


def start(arena: Arena, count: int, rounds: int) -> dict[str, Any]:
    """Start everybody: seconds until one text is embedded, then the peak of memory after many.

    A library starts once off the clock, which compiles bytecode and brings its files into the system's cache, and right
    after that so many times on it. It does not take turns: a machine that reclaims the memory of files that nobody has
    read for a minute would have to read them from its disk again.
    """
    folder = model_folder(REAL, arena.home)
    one, many = arena.inputs("one", texts_of(1)), arena.inputs("many", texts_of(count))
    rows = []
    for peer in (CENOTE, *arena.peers):
        if interpreter(peer, arena.home / "peers") is None:
            continue
        for setting in (setting for setting in peer.works.get("embed", ()) if setting in _SETTINGS):
            try:
                rows.append(_row(arena, peer, setting, folder, (one, many), rounds))
            except WorkerError as error:
                arena.failed(peer, setting, error)
    return {
        "model": MODELS[REAL][0],
        "inputs": count,
        "weights": sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        "bare_memory": int(_output(arena, "-P", "-c", _BARE, str(Path(__file__).parents[1]))),
        "help_seconds": _help_seconds(arena),
        "rows": rows,
    }


def _row(
    arena: Arena, peer: Peer, setting: str, folder: Path, inputs: tuple[Path, Path], rounds: int
) -> dict[str, Any]:
    """Start one library off the clock, then on it; the last process goes on to embed many texts."""
    one, many = inputs
    first, _ = _once(arena, peer, setting, folder, one, None)
    timed = max(1, rounds) if first < _SLOW else 1
    taken, peak = [], 0
    for turn in range(timed):
        seconds, peak = _once(arena, peer, setting, folder, one, many if turn == timed - 1 else None)
        taken.append(seconds)
    return {
        "peer": peer.name,
        "title": peer.title,
        "setting": setting,
        "seconds": taken,
        "first_answer": statistics.median(taken),
        "peak_memory": peak,
    }


def _once(arena: Arena, peer: Peer, setting: str, folder: Path, one: Path, many: Path | None) -> tuple[float, int]:
    """Return the seconds from the start of a process to its first answer, and its peak of memory at the end."""
    begin = time.perf_counter()
    with arena.fresh(peer) as worker:
        handle = worker.load(arena.job("embed", folder, setting))["handle"]
        answer = worker.run(handle, one, 8)
        seconds = time.perf_counter() - begin
        if many is not None:
            answer = worker.run(handle, many, 8)
    return seconds, answer["peak_memory"]


def _help_seconds(arena: Arena) -> float:
    """Return how long `cenote --help` takes, in the median of five processes after one."""
    taken = []
    for _ in range(6):
        begin = time.perf_counter()
        _output(arena, *_HELP)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[1:])


def _output(arena: Arena, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment(arena.threads), stdout=subprocess.PIPE, text=True, check=True).stdout
