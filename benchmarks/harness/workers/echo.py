"""A library that computes nothing: what a worker does without one, for tests and for the cost of the harness itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("numpy",)


def load(job: Job) -> Runner:
    """Return what gives the length of each text, and prints a line, as libraries do.

    The text `spawn` starts a process that sleeps; its number is the result.

    Raises:
        ValueError: the setting is `broken`.
    """
    if job.setting == "broken":
        raise ValueError("this setting is broken")

    def run(texts: Sequence[Any], batch: int) -> Any:
        print(f"a batch of {batch}")
        if "spawn" in texts:
            return [[float(subprocess.Popen(["sleep", "60"]).pid)]]
        return [[float(len(text))] for text in texts]

    return run
