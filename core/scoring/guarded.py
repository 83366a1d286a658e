"""Ways of scoring of plugins: what they raise or return wrongly is an error that names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cenote.errors import ScorerError
from cenote.registry import Entry
from cenote.registry.blame import Blame
from cenote.scoring.base import Pair, ScoreInput, Scorer, check_scorer_type, further_tasks
from cenote.types import Prompt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GuardedScorer"]


class GuardedScorer:
    """A scorer of a plugin, called with the host's checks.

    Attributes:
        task: as the plugin says.
        also: the same; nothing where it says nothing.
        by_role: as the plugin says.
    """

    def __init__(self, scorer: Scorer, entry: Entry) -> None:
        self.task = scorer.task
        self.also = further_tasks(scorer)
        self.by_role = scorer.by_role
        self._scorer = scorer
        self._entry = entry
        self._blame = Blame.of("scorer", entry, ScorerError)

    def by_similarity(self, name: str) -> Scorer:
        """Return the way for a similarity; of a plugin that has but one way, itself.

        Raises:
            InvalidRequest: the plugin refuses it.
            ScorerError: it fails.
        """
        choose = getattr(self._scorer, "by_similarity", None)
        return self if choose is None else GuardedScorer(self._blame.call(lambda: _checked(choose(name))), self._entry)

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return what the model must read.

        Raises:
            InvalidRequest: the plugin refuses the texts.
            ScorerError: it fails, or returns something else.
        """
        found: Any = self._blame.call(self._scorer.inputs, queries, documents, pairs)
        if not isinstance(found, list) or not found or not all(isinstance(item, ScoreInput) for item in found):
            raise self._blame.wrong("did not return a list of inputs")
        return found

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return [len(pairs)] float32.

        Raises:
            InvalidRequest: the plugin refuses the request.
            ScorerError: it fails, or returns something else.
        """
        import torch

        found: Any = self._blame.call(self._scorer.scores, results, queries, pairs)
        if not isinstance(found, torch.Tensor):
            raise self._blame.wrong(f"returned {type(found).__name__}, not a tensor")
        if found.shape != (len(pairs),):
            raise self._blame.wrong(f"returned shape {tuple(found.shape)} for {len(pairs)} pairs, not [{len(pairs)}]")
        if not found.is_floating_point():
            raise self._blame.wrong(f"returned {str(found.dtype).removeprefix('torch.')} numbers, not floats")
        if not bool(torch.isfinite(found).all()):
            raise self._blame.wrong("returned NaN or infinity")
        return found.detach().float()


def _checked(scorer: Scorer) -> Scorer:
    check_scorer_type(scorer)
    return scorer
