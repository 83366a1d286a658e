"""One query against many documents by MaxSim."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.arena import Arena
from harness.contest import compete
from harness.ragged import read_maxsim
from harness.workload import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["documents_folder", "maxsim"]

_QUERY, _WIDTH = 32, 128
_SHORTEST, _LONGEST = 20, 300


def maxsim(arena: Arena, documents: int, rounds: int) -> dict[str, Any]:
    """Compare everybody on documents of 20 to 300 vectors; what they need is laid out before the clock starts."""
    folder = documents_folder(arena.home, documents)
    wanted = _exact(folder)
    workload = Workload(folder, list(range(documents)))
    with arena.open():
        entries = arena.enter("maxsim", folder, ("float32", "bfloat16", "int8"))
        rows = compete(arena, entries, workload, "maxsim", wanted, rounds)
    query, vectors, _ = read_maxsim(str(folder))
    return {
        "model": f"one query of {_QUERY} vectors, {_WIDTH} components",
        "inputs": documents,
        "tokens": len(vectors),
        "rounds": rounds,
        "operations": 2.0 * query.size * len(vectors),
        "rows": rows,
    }


def documents_folder(home: Path, documents: int) -> Path:
    """Return a folder with vectors of length 1 around a common direction, written where it is not there.

    Products are mostly positive then, as those of models.
    """
    import numpy as np

    folder = home / "maxsim" / str(documents)
    if not (folder / "lengths.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draw, generator = random.Random(0), np.random.default_rng(0)
        lengths = [draw.randint(_SHORTEST, _LONGEST) for _ in range(documents)]
        centre = generator.standard_normal(_WIDTH) / 2
        for name, count in (("query", _QUERY), ("vectors", sum(lengths))):
            rows = generator.standard_normal((count, _WIDTH), dtype=np.float32) + centre.astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            np.save(folder / f"{name}.npy", rows)
        np.save(folder / "lengths.npy", np.array(lengths))
    return folder


def _exact(folder: Path) -> NDArray[np.float32]:
    """Return the scores [n]: per document the sum over the query's vectors of the largest product, in float64."""
    import numpy as np

    query, vectors, lengths = read_maxsim(str(folder))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    products = vectors.astype(np.float64) @ query.T.astype(np.float64)
    scores: NDArray[np.float32] = np.maximum.reduceat(products, starts, axis=0).sum(axis=1).astype(np.float32)
    return scores
