"""Timing of several contestants on one machine, in turns, so that a slow minute hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Contestant", "Timing", "best_of", "take_turns"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to embed texts.

    Attributes:
        name: the library and what matters of its settings, such as `sentence-transformers (batch 32)`.
        version: of the library.
        embed: from n texts to [n, d] float32, in order.
    """

    name: str
    version: str
    embed: Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Timing:
    """What one contestant did.

    Attributes:
        contestant: who.
        seconds: of every round, in order.
        vectors: [n, d] float32, the result of the last round.
    """

    contestant: Contestant
    seconds: tuple[float, ...]
    vectors: Any

    @property
    def median(self) -> float:
        """Seconds of the median round."""
        return statistics.median(self.seconds)


def take_turns(contestants: Sequence[Contestant], texts: Sequence[str], rounds: int) -> list[Timing]:
    """Time each contestant on the same texts, in the order A B C, A B C, ... after a warm-up of each.

    Args:
        contestants: who takes part.
        texts: what each embeds in every round.
        rounds: how many times each runs; the median counts.

    Returns:
        One timing per contestant, in the given order.
    """
    for contestant in contestants:
        contestant.embed(texts[:_WARM_UP])
    seconds: list[list[float]] = [[] for _ in contestants]
    vectors: list[Any] = [None] * len(contestants)
    for _ in range(rounds):
        for index, contestant in enumerate(contestants):
            begin = time.perf_counter()
            vectors[index] = contestant.embed(texts)
            seconds[index].append(time.perf_counter() - begin)
    return [Timing(who, tuple(taken), result) for who, taken, result in zip(contestants, seconds, vectors, strict=True)]


def best_of(contestants: Sequence[Contestant], texts: Sequence[str]) -> Contestant:
    """Return the contestant that is fastest in two rounds; for finding a peer's best setting before the contest."""
    timings = take_turns(contestants, texts, rounds=2)
    return min(timings, key=lambda timing: min(timing.seconds)).contestant


#: Texts of the untimed first call: caches, thread pools and lazy imports are then warm.
_WARM_UP = 16
