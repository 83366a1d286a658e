"""maxsim-cpu: one query against a list of documents."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner
from harness.ragged import read_maxsim

__all__ = ["PACKAGES", "load"]

PACKAGES = ("maxsim-cpu",)


def load(job: Job) -> Runner:
    """Lay out the documents as a list of arrays, as its function for lengths that differ takes them."""
    library: Any = importlib.import_module("maxsim_cpu")
    numpy = importlib.import_module("numpy")
    query, vectors, lengths = read_maxsim(job.folder)
    parts = [part.copy() for part in numpy.split(vectors, numpy.cumsum(lengths)[:-1])]

    def run(_: Sequence[Any], __: int) -> Any:
        return library.maxsim_scores_variable(query, parts)

    return run
