"""Write tests/outputs/token_pooling.json: what PyLate's token pooling makes of fixed random vectors.

Run it where PyLate 1.6 is installed; nothing of cenote is imported: `python scripts/pool_golden.py`.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pylate.models import ColBERT  # type: ignore[import-not-found]

__all__ = ["main"]

TARGET = Path(__file__).resolve().parents[1] / "tests" / "outputs" / "token_pooling.json"
_WIDTH = 8
_FACTORS = range(1, 9)
#: Numbers of vectors, and in how many places each of them stands.
_CASES = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (17, 1), (180, 1), (3, 3), (5, 2), (17, 4), (180, 3)]


def main() -> None:
    """Pool each case by each factor, one line a case."""
    lines = []
    for seed, (count, copies) in enumerate(_CASES):
        rows = _vectors(count, seed, copies)
        entry: dict[str, Any] = {"copies": copies, "vectors": _numbers(rows)}
        entry["pooled"] = {str(factor): _numbers(_pooled(rows, factor)) for factor in _FACTORS}
        lines.append(json.dumps(entry, separators=(",", ":")))
    by = ", ".join(f"{name} {version(name)}" for name in ("pylate", "scipy", "torch"))
    TARGET.write_text(f'{{"by": {json.dumps(by)}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")


def _vectors(count: int, seed: int, copies: int) -> np.ndarray[Any, Any]:
    """Return normalised vectors [count, 8] float32, of which each stands in so many places.

    Those that stand in several are a little shorter: else rounding gives equal ones distances below zero, with which
    scipy refuses to cluster, and PyLate raises.
    """
    random = np.random.default_rng(seed)
    rows = random.standard_normal((-(-count // copies), _WIDTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if copies > 1:
        rows *= 0.9999
    return np.tile(rows.round(6).astype(np.float32), (copies, 1))[:count]


def _pooled(rows: np.ndarray[Any, Any], factor: int) -> np.ndarray[Any, Any]:
    """Return what PyLate makes of one document; the method uses nothing of its model."""
    pool: Any = ColBERT.pool_embeddings_hierarchical
    (pooled,) = pool(None, [torch.from_numpy(rows)], pool_factor=factor, protected_tokens=1)
    numbers: np.ndarray[Any, Any] = pooled.numpy()
    return numbers


def _numbers(rows: np.ndarray[Any, Any]) -> list[list[float]]:
    return [[round(float(value), 6) for value in row] for row in rows]


if __name__ == "__main__":
    main()
