"""A contest: the same inputs for all, in turns, each result compared with the reference while measuring."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agreement import agreement, within
from harness.arena import Arena, Entry
from harness.peers import CENOTE
from harness.process import WorkerError
from harness.workload import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["compete", "reference_of", "result_of", "spread_of"]

#: A contestant whose pass takes longer runs in the first round only, once.
_SLOW = 6.0
#: Passes of a contestant in a round: until so many seconds are spent, or so many have run.
_ROUND, _PASSES = 1.5, 4
#: Parts of the inputs: those on which a library's best batch size is looked for, and those that run off the clock
#: before each round.
_TRIAL, _WARM = 0.4, 0.1


def compete(
    arena: Arena, entries: Sequence[Entry], workload: Workload, work: str, wanted: Any, rounds: int
) -> list[dict[str, Any]]:
    """Time everybody in the order A B C, A B C, ... and compare what they computed.

    A process waits for a minute between its rounds, finds caches cold, and pages of code and mapped files on the disk
    where the system took memory back. So everybody runs on a few inputs off the clock at the beginning of each round.

    Args:
        arena: writes the files.
        entries: who takes part; each first looks for its best batch size.
        workload: the inputs.
        work: as in `Job`.
        wanted: the reference, as `agreement` takes it.
        rounds: how often each has its turn; the median of all passes counts.

    Returns:
        One row per contestant that did not fail.

    Raises:
        ArithmeticError: cenote's results are out of tolerance.
        WorkerError: cenote failed.
    """
    path, trial = arena.inputs("all", workload.inputs), arena.inputs("trial", _spread(workload.inputs, _TRIAL))
    warm = arena.inputs("warm", _spread(workload.inputs, _WARM))
    running = [entry for entry in entries if _warmed(arena, entry, trial)]
    seconds: dict[int, list[float]] = {id(entry): [] for entry in running}
    facts: dict[int, dict[str, Any]] = {}
    others: dict[int, float] = {}
    for turn in range(rounds):
        for entry in list(running):
            taken = seconds[id(entry)]
            if taken and taken[0] > _SLOW:
                continue
            try:
                saved = arena.home / "result.npy"
                answer = entry.worker.run(
                    entry.handle,
                    path,
                    entry.batch,
                    save=None if turn else saved,
                    repeat=_PASSES,
                    limit=_ROUND,
                    warm=warm,
                )
            except WorkerError as error:
                arena.failed(entry.peer, entry.setting, error)
                running.remove(entry)
                continue
            taken += answer["seconds"]
            others[id(entry)] = max(others.get(id(entry), 0.0), answer["others"])
            if not turn:
                facts[id(entry)] = _checked(entry, work, saved, wanted)
    return [
        {**_row(entry, workload, seconds[id(entry)]), "others": others[id(entry)], **facts[id(entry)]}
        for entry in running
    ]


def reference_of(arena: Arena, work: str, workload: Workload) -> NDArray[np.float32]:
    """Compute the results of plain transformers in float32, in the environment of cenote."""
    import numpy as np

    saved = arena.home / "reference.npy"
    with arena.local("transformers_padded") as worker:
        job = arena.job(work, workload.folder, "sorted", workload.max_tokens)
        worker.run(worker.load(job)["handle"], arena.inputs("reference", workload.inputs), 16, save=saved)
    result: NDArray[np.float32] = np.load(saved)
    return result


def result_of(arena: Arena, entry: Entry, workload: Workload, batch: int = 0) -> NDArray[np.float32]:
    """Compute the results of a library, at a batch size that it is given.

    Raises:
        WorkerError: the library failed.
    """
    import numpy as np

    saved = arena.home / "reference.npy"
    entry.worker.run(entry.handle, arena.inputs("reference", workload.inputs), batch, save=saved)
    result: NDArray[np.float32] = np.load(saved)
    return result


def spread_of(seconds: Sequence[float]) -> float:
    """Return how far apart the quartiles lie, as a share of the median; 0 for less than three values."""
    if len(seconds) < 3:
        return 0.0
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return (high - low) / middle


def _spread(inputs: Sequence[Any], part: float) -> Sequence[Any]:
    """Return a part of the inputs, evenly taken from all."""
    count = max(1, round(part * len(inputs)))
    return [inputs[place * len(inputs) // count] for place in range(count)]


def _warmed(arena: Arena, entry: Entry, trial: Path) -> bool:
    """Run once, then find the fastest batch size; tell whether that worked."""
    try:
        entry.worker.run(entry.handle, trial, entry.batch)
        if len(entry.sizes) > 1:
            taken = {size: entry.worker.run(entry.handle, trial, size)["seconds"][0] for size in entry.sizes}
            entry.batch = min(taken, key=lambda size: taken[size])
    except WorkerError as error:
        arena.failed(entry.peer, entry.setting, error)
        return False
    return True


def _checked(entry: Entry, work: str, saved: Path, wanted: Any) -> dict[str, Any]:
    import numpy as np

    found = agreement(work, np.load(saved), wanted)
    good = within(work, entry.setting, found)
    if entry.peer is CENOTE and not good:
        raise ArithmeticError(f"cenote, {entry.setting}: {work} differs from the float32 reference: {found}")
    return {**found, "within": good}


def _row(entry: Entry, workload: Workload, seconds: Sequence[float]) -> dict[str, Any]:
    median = statistics.median(seconds)
    return {
        "peer": entry.peer.name,
        "title": entry.peer.title,
        "setting": entry.setting,
        "batch": entry.batch,
        "versions": entry.versions,
        "seconds": list(seconds),
        "spread": spread_of(seconds),
        "per_second": len(workload.inputs) / median,
    }
