"""What a worker is told to load. Workers run without cenote: this module needs nothing but Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Job", "Runner", "Telling"]

#: From texts, pairs or queries, and a batch size, to an array of numpy: [n, dim], [n], or [tokens of all, dim].
Runner: TypeAlias = Callable[[Sequence[Any], int], Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One model in one setting.

    Attributes:
        work: `embed` (texts), `rerank` (pairs), `encode` (texts to one vector a token), `maxsim` (one query), or
            `vectors` (as `embed`, without a list of Python's numbers per text on the way).
        folder: a checkpoint; for `maxsim` a folder with `query.npy` [q, dim], `vectors.npy` [T, dim] and
            `lengths.npy` [n].
        setting: `float32`, `bfloat16`, `int8`, or what else a library's module knows.
        max_tokens: longer texts are cut.
        threads: that may compute.
        cache: folder for files that a library exports once, such as ONNX graphs.
        calibration: folder with `texts.jsonl`, real texts on which a library may calibrate its int8.
    """

    work: str
    folder: str
    setting: str = "float32"
    max_tokens: int = 256
    threads: int = 1
    cache: str = ""
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """A runner that also tells how its library computes.

    Attributes:
        run: the runner.
        told: facts in words, by name.
    """

    run: Runner
    told: Mapping[str, str]

    def __call__(self, inputs: Sequence[Any], batch: int) -> Any:
        """Run."""
        return self.run(inputs, batch)
