"""Vectors of documents whose lengths differ, on disk. Runs in workers, without cenote."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__all__ = ["read_maxsim"]


def read_maxsim(folder: str) -> tuple[Any, Any, list[int]]:
    """Return a query [q, dim], the vectors of all documents [T, dim], both float32, and the lengths of documents."""
    numpy = importlib.import_module("numpy")
    query, vectors, lengths = (numpy.load(Path(folder) / f"{name}.npy") for name in ("query", "vectors", "lengths"))
    return query, vectors, lengths.tolist()
