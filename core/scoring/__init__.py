"""Scores of a query and a document: by one joint pass, by one vector each (dense or sparse), or one per token."""

from cenote.scoring.base import Pair, ScoreInput, Scorer, pair_up
from cenote.scoring.choose import choose_scorer

__all__ = ["Pair", "ScoreInput", "Scorer", "choose_scorer", "pair_up"]
