"""Scores of a query and a document: by one joint pass, by one vector each (dense or sparse), or one per token."""

from cenote.scoring.base import Pair, ScoreInput, Scorer, pair_up
from cenote.scoring.bits import unpack_bits
from cenote.scoring.choose import choose_scorer
from cenote.scoring.multi_vectors import INT8_STEP, maxsim
from cenote.scoring.similarity_map import contribution_map, similarity_map

__all__ = [
    "INT8_STEP",
    "Pair",
    "ScoreInput",
    "Scorer",
    "choose_scorer",
    "contribution_map",
    "maxsim",
    "pair_up",
    "similarity_map",
    "unpack_bits",
]
