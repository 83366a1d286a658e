"""cenote beside plain transformers, in short: what `make bench-check` watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.agreement import agreement, within
from harness.arena import Arena
from harness.fresh import memory_over_texts, served, started
from harness.late import documents_folder
from harness.models import REAL, model_folder
from harness.process import Worker
from harness.workload import pairs_of, texts_of

__all__ = ["CASES", "Measured", "loaded_ways", "measure"]

_SETTINGS = ("float32", "float32, high", "bfloat16", "int8")
#: What is compared: the work, cenote's settings. The other side computes the same in float32.
CASES: Mapping[str, tuple[str, ...]] = {
    "embed": _SETTINGS,
    "rerank": ("float32", "bfloat16", "int8"),
    "encode": ("float32", "bfloat16", "int8"),
    "one text": ("float32", "bfloat16", "int8"),
    "maxsim": ("float32", "bfloat16", "int8"),
}
_TEXTS, _PAIRS, _DOCUMENTS = 64, 48, 2000
_BATCH = 16
#: Calls of a side in a round, where one is too short to be timed well.
_CALLS = {"one text": 30, "maxsim": 3}


@dataclass(slots=True)
class Measured:
    """What a check found.

    Attributes:
        ratios: by name of a work and setting, how many times as fast, or as small, as plain transformers cenote is.
        ways: by name of an operator, or of a work and setting, how cenote computes it.
    """

    ratios: dict[str, float] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)


def measure(arena: Arena, rounds: int) -> Measured:
    """Compare cenote with plain transformers in each work and setting, in fresh processes, and in its server.

    Both sides take turns, all works of one round before the next. The fastest call of each counts: what disturbs a
    short run only makes it slower.

    Raises:
        ArithmeticError: results differ by more than is allowed.
    """
    folders, inputs = _folders(arena.home), _inputs(arena)
    found = Measured()
    with arena.local("cenote_llm") as own, arena.local("transformers_padded") as plain:
        theirs = {work: _loaded(arena, plain, work, folders[work], "sorted")["handle"] for work in CASES}
        mine = dict(_models(arena, own, folders, found.ways))
        _compare(arena, (own, mine), (plain, theirs), inputs)
        best: dict[tuple[str, str], float] = {}
        for _ in range(rounds):
            for work, settings in CASES.items():
                for setting, worker, handle in (
                    ("", plain, theirs[work]),
                    *((setting, own, mine[work, setting]) for setting in settings),
                ):
                    taken = worker.run(handle, inputs[work], _BATCH, repeat=_CALLS.get(work, 1))["seconds"]
                    best[work, setting] = min([*taken, best.get((work, setting), float("inf"))])
    timed = {f"{work} {name}": best[work, ""] / best[work, name] for work, name in best if name}
    requests = served(arena, folders["embed"]).items()
    timed |= {f"server, {how} float32": best["one text", ""] / seconds for how, seconds in requests}
    first = started(arena, folders["embed"], inputs["one text"], inputs["embed"], _BATCH)
    found.ratios = {**first, **memory_over_texts(arena, folders["embed"]), **timed}
    return found


def loaded_ways(arena: Arena, level: str) -> dict[str, str]:
    """Return how cenote computes with the instructions of a level alone; nothing is timed."""
    ways: dict[str, str] = {}
    with arena.local("cenote_llm", {"CENOTE_CPU_KERNELS_LEVEL": level}) as own:
        for _ in _models(arena, own, _folders(arena.home), ways):
            pass
    return ways


def _folders(home: Path) -> dict[str, Path]:
    real = model_folder(REAL, home)
    return {
        "embed": real,
        "one text": real,
        "rerank": model_folder("cross-encoder", home),
        "encode": model_folder("colbert", home),
        "maxsim": documents_folder(home, _DOCUMENTS),
    }


def _inputs(arena: Arena) -> dict[str, Path]:
    texts = arena.inputs("check_texts", texts_of(_TEXTS))
    return {
        "embed": texts,
        "encode": texts,
        "rerank": arena.inputs("check_pairs", pairs_of(_PAIRS)),
        "maxsim": arena.inputs("check_none", []),
        "one text": arena.inputs("check_one", ["Which function returns the seconds since the epoch?"]),
    }


def _models(
    arena: Arena, own: Worker, folders: Mapping[str, Path], ways: dict[str, str]
) -> Iterator[tuple[tuple[str, str], int]]:
    """Load cenote's models, each once, and write down the ways that they tell."""
    handles: dict[tuple[str, str], int] = {}
    for work, settings in CASES.items():
        for setting in settings:
            if (_kind(work), setting) not in handles:
                loaded = _loaded(arena, own, work, folders[work], setting)
                handles[_kind(work), setting] = loaded["handle"]
                told = dict(loaded["told"])
                if "execution" in told:
                    ways[f"{work} {setting}"] = told.pop("execution")
                ways |= told
            yield (work, setting), handles[_kind(work), setting]


def _compare(
    arena: Arena,
    own: tuple[Worker, Mapping[tuple[str, str], int]],
    plain: tuple[Worker, Mapping[str, int]],
    inputs: Mapping[str, Path],
) -> None:
    """Run everything once, which warms both sides, and compare the results."""
    wanted = {work: _result(arena, plain[0], handle, inputs[work]) for work, handle in plain[1].items()}
    for (work, setting), handle in own[1].items():
        facts = agreement(_kind(work), _result(arena, own[0], handle, inputs[work]), wanted[work])
        if not within(_kind(work), setting, facts):
            raise ArithmeticError(f"cenote, {setting}: {work} differs from transformers in float32: {facts}")


def _loaded(arena: Arena, worker: Worker, work: str, folder: Path, setting: str) -> dict[str, Any]:
    return worker.load(arena.job(_kind(work), folder, setting))


def _kind(work: str) -> str:
    return "embed" if work == "one text" else work


def _result(arena: Arena, worker: Worker, handle: int, path: Path) -> Any:
    import numpy as np

    saved = arena.home / "check.npy"
    worker.run(handle, path, _BATCH, save=saved)
    return np.load(saved)
