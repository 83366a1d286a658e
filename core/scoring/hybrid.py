"""Several ways of scoring in one: the weighted mean of their scores, from one pass over each text."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest, WrongType
from cenote.scoring.base import Pair, ScoreInput, Scorer, further_tasks
from cenote.types import Prompt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["JOINT", "Hybrid", "check_weights", "in_order"]

#: Stands between the parts in the name of such a way, as in `sparse+dense`.
JOINT = "+"
#: Weights are in this order, whatever that of the name is; parts with other names come last, as they are named.
_ORDER = ("dense", "sparse", "colbert", "colbert-mean")
#: Largest share of a part, far within float32 as long as the score is: dot products of terms have no upper limit.
_LARGEST_SHARE = 1e30


class Hybrid:
    """The weighted mean of the scores of several scorers that read each text alone.

    Attributes:
        task: of the first part.
        also: the tasks of the others, which the same pass answers.
        by_role: the sides have their roles as soon as one part wants that, since each text is read once for all.

    Source: `M3Embedder.compute_score` of FlagEmbedding 1.4.2: the sum of weights times scores, divided by the sum of
    the weights, which are all 1 by default.
    """

    def __init__(self, parts: Sequence[Scorer], weights: Sequence[float] | None = None) -> None:
        """Mix scorers; `weights` are checked already, one per part."""
        self._parts = tuple(parts)
        shares = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
        self._shares = [share / sum(shares) for share in shares]
        tasks = dict.fromkeys(task for part in parts for task in (part.task, *further_tasks(part)))
        self.task, *others = tasks
        self.also = tuple(others)
        self.by_role = any(part.by_role for part in parts)

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return what all parts read.

        Raises:
            InvalidRequest: they do not read the same.
        """
        first, *others = (part.inputs(queries, documents, pairs) for part in self._parts)
        if first[0].side == "pair" or any(_read(other) != _read(first) for other in others):
            text = "A mix is of scores whose texts are read alone, each once; one of these reads something else."
            raise InvalidRequest(text, param="score_type")
        return first

    def scores(self, results: Sequence[Any], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the mean of each pair, in float32."""
        each = [part.scores(self._results(part, results), queries, pairs) for part in self._parts]
        total: Tensor = sum(share * scores for share, scores in zip(self._shares, each, strict=True))  # type: ignore[assignment]
        return total

    def _results(self, part: Scorer, results: Sequence[Any]) -> Sequence[Any]:
        """Return what one part asked for."""
        if not self.also or further_tasks(part):
            return results
        return [result[part.task] for result in results]


def _read(inputs: Sequence[ScoreInput]) -> list[tuple[Any, str]]:
    return [(item.prompt, item.side) for item in inputs]


def in_order(names: Sequence[str]) -> list[str]:
    """Return the names of parts in the order of their weights.

    Raises:
        InvalidRequest: a name is there twice.
    """
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequest(f"score_type has {twice!r} twice; name each part once.", param="score_type")
    return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def check_weights(weights: Any, parts: Sequence[str]) -> None:
    """Check the weights of a mix. One below 0 takes away, as in FlagEmbedding, but their sum must be above 0.

    Args:
        weights: as the caller gave them.
        parts: names, in the order of the weights.

    Raises:
        WrongType: it is no list of numbers.
        InvalidRequest: the weights are not as many as the parts, or cannot be divided by their sum, or one is so
            large beside the sum that float32 cannot hold what comes of it.
    """
    if not isinstance(weights, list | tuple) or any(
        isinstance(weight, bool) or not isinstance(weight, int | float) for weight in weights
    ):
        raise WrongType(f"weights must be a list of numbers, not {weights!r:.80}.", param="weights")
    order = ", ".join(parts)
    if len(parts) == 1:
        text = f"weights mixes several scores, but score_type {order!r} is one; name several, as in 'sparse+dense'."
        raise InvalidRequest(text, param="weights")
    if len(weights) != len(parts):
        text = f"There are {len(weights)} weights for {len(parts)} scores; give one each for {order}, in this order."
        raise InvalidRequest(text, param="weights")
    finite = all(abs(weight) <= sys.float_info.max for weight in weights)  # false for NaN
    if not finite or not 0 < sum(map(float, weights)) < math.inf:
        text = f"weights must be finite, with a sum above 0, by which the mix is divided; these are {list(weights)}."
        raise InvalidRequest(text, param="weights")
    total = sum(map(float, weights))
    if any(abs(weight / total) > _LARGEST_SHARE for weight in weights):
        text = (
            f"One of the weights {list(weights)} is too large beside their sum, {total}, by which the mix is divided."
        )
        raise InvalidRequest(text, param="weights")
