"""cenote beside plain transformers, in short: the ratios that `make bench-check` watches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.agreement import agreement, within
from harness.arena import Arena
from harness.baseline import MEMORY
from harness.late import documents_folder
from harness.models import REAL, model_folder
from harness.process import Worker
from harness.workload import pairs_of, texts_of

__all__ = ["measure"]

#: What is compared: the work, cenote's setting. The other side computes the same in float32.
_CASES = (
    ("embed", "float32"),
    ("embed", "bfloat16"),
    ("embed", "int8"),
    ("rerank", "float32"),
    ("rerank", "bfloat16"),
    ("one text", "float32"),
    ("maxsim", "float32"),
    ("maxsim", "int8"),
)
_TEXTS, _PAIRS, _DOCUMENTS = 64, 48, 2000
_BATCH = 16
#: Starts of each side; calls of one text in a round.
_STARTS, _CALLS = 2, 30


def measure(arena: Arena, rounds: int = 2) -> dict[str, float]:
    """Return by how much cenote is faster in each work and setting and in its first answer, and how much smaller.

    The fastest round of each counts: what disturbs a short run only makes it slower.

    Raises:
        ArithmeticError: results differ by more than is allowed.
    """
    folders = {
        "embed": model_folder(REAL, arena.home),
        "rerank": model_folder("cross-encoder", arena.home),
        "maxsim": documents_folder(arena.home, _DOCUMENTS),
    }
    folders["one text"] = folders["embed"]
    inputs = {
        "embed": arena.inputs("check_embed", texts_of(_TEXTS)),
        "rerank": arena.inputs("check_rerank", pairs_of(_PAIRS)),
        "maxsim": arena.inputs("check_maxsim", []),
        "one text": arena.inputs("check_one", ["Which function returns the seconds since the epoch?"]),
    }
    ratios: dict[str, float] = {}
    with arena.local("cenote_llm") as own, arena.local("transformers_padded") as plain:
        theirs = {work: _loaded(arena, plain, work, folder, "sorted") for work, folder in folders.items()}
        mine = {case: _loaded(arena, own, case[0], folders[case[0]], case[1]) for case in _CASES}
        for case, ratio in _compared(arena, own, mine, plain, theirs, inputs, rounds):
            ratios[case] = ratio
    return {**_started(arena, folders["embed"], inputs), **ratios}


def _loaded(arena: Arena, worker: Worker, work: str, folder: Path, setting: str) -> int:
    handle: int = worker.load(arena.job(_kind(work), folder, setting))["handle"]
    return handle


def _kind(work: str) -> str:
    return "embed" if work == "one text" else work


def _compared(
    arena: Arena,
    own: Worker,
    mine: dict[tuple[str, str], int],
    plain: Worker,
    theirs: dict[str, int],
    inputs: dict[str, Path],
    rounds: int,
) -> Iterator[tuple[str, float]]:
    """Warm both sides and compare their results, then let them take turns."""
    wanted = {}
    for work, handle in theirs.items():
        wanted[work] = _result(arena, plain, handle, inputs[work])
    for (work, setting), handle in mine.items():
        facts = agreement(_kind(work), _result(arena, own, handle, inputs[work]), wanted[work])
        if not within(_kind(work), setting, facts):
            raise ArithmeticError(f"cenote, {setting}: {work} differs from transformers in float32: {facts}")
        repeat = _CALLS if work == "one text" else 1
        pairs = [
            (
                plain.run(theirs[work], inputs[work], _BATCH, repeat=repeat)["seconds"],
                own.run(handle, inputs[work], 0, repeat=repeat)["seconds"],
            )
            for _ in range(rounds)
        ]
        yield f"{work} {setting}", min(_flat(pairs, 0)) / min(_flat(pairs, 1))


def _started(arena: Arena, folder: Path, inputs: dict[str, Path]) -> dict[str, float]:
    """Compare fresh processes, whose files are in the system's cache by now: first answers, and memory after texts."""
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for _ in range(_STARTS):
        for module, setting in (("cenote_llm", "float32"), ("transformers_padded", "sorted")):
            begin = time.perf_counter()
            with arena.local(module) as worker:
                handle = _loaded(arena, worker, "embed", folder, setting)
                worker.run(handle, inputs["one text"], 1)
                seconds[module] = min(seconds.get(module, float("inf")), time.perf_counter() - begin)
                peaks[module] = worker.run(handle, inputs["embed"], _BATCH)["peak_memory"]
    return {
        "first answer": seconds["transformers_padded"] / seconds["cenote_llm"],
        MEMORY: peaks["transformers_padded"] / peaks["cenote_llm"],
    }


def _result(arena: Arena, worker: Worker, handle: int, path: Path) -> Any:
    import numpy as np

    saved = arena.home / "check.npy"
    worker.run(handle, path, _BATCH, save=saved)
    return np.load(saved)


def _flat(pairs: Sequence[tuple[list[float], list[float]]], side: int) -> list[float]:
    return [seconds for pair in pairs for seconds in pair[side]]
