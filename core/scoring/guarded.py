"""Ways of scoring of plugins: what they raise or return wrongly is an error that names them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cenote.errors import InvalidRequest, ScorerError
from cenote.registry import Entry
from cenote.registry.problems import is_ctrl_c
from cenote.scoring.base import Pair, ScoreInput, Scorer, check_scorer_type

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GuardedScorer"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class GuardedScorer:
    """A scorer of a plugin, called with the host's checks.

    Attributes:
        task: as the plugin says.
        by_role: the same.
    """

    def __init__(self, scorer: Scorer, entry: Entry) -> None:
        self.task = scorer.task
        self.by_role = scorer.by_role
        self._scorer = scorer
        self._entry = entry

    def by_similarity(self, name: str) -> Scorer:
        """Return the way for a similarity; of a plugin that has but one way, itself.

        Raises:
            InvalidRequest: the plugin refuses it.
            ScorerError: it fails.
        """
        choose = getattr(self._scorer, "by_similarity", None)
        return self if choose is None else GuardedScorer(self._call(lambda: _checked(choose(name))), self._entry)

    def inputs(self, queries: Sequence[str], documents: Sequence[str], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return what the model must read.

        Raises:
            InvalidRequest: the plugin refuses the texts.
            ScorerError: it fails, or returns something else.
        """
        found: Any = self._call(lambda: self._scorer.inputs(queries, documents, pairs))
        if not isinstance(found, list) or not found or not all(isinstance(item, ScoreInput) for item in found):
            raise self._error("did not return a list of inputs")
        return found

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return [len(pairs)] float32.

        Raises:
            InvalidRequest: the plugin refuses the request.
            ScorerError: it fails, or returns something else.
        """
        import torch

        found: Any = self._call(lambda: self._scorer.scores(results, queries, pairs))
        if not isinstance(found, torch.Tensor):
            raise self._error(f"returned {type(found).__name__}, not a tensor")
        if found.shape != (len(pairs),):
            raise self._error(f"returned shape {tuple(found.shape)} for {len(pairs)} pairs, not [{len(pairs)}]")
        if not found.is_floating_point():
            raise self._error(f"returned {str(found.dtype).removeprefix('torch.')} numbers, not floats")
        if not bool(torch.isfinite(found).all()):
            raise self._error("returned NaN or infinity")
        return found.detach().float()

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except InvalidRequest:
            raise
        except BaseException as exc:  # sys.exit() in a plugin, say, must not end the host
            if is_ctrl_c(exc):
                raise
            _log.error("the scorer %r of %s failed", self._entry.name, self._entry.source, exc_info=exc)
            raise self._error(f"failed ({type(exc).__name__})") from exc

    def _error(self, what: str) -> ScorerError:
        text = f"The scorer {self._entry.name!r} of {self._entry.source} {what}."
        return ScorerError(text, plugin=self._entry.name, distribution=self._entry.distribution)


def _checked(scorer: Scorer) -> Scorer:
    check_scorer_type(scorer)
    return scorer
