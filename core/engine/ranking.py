"""Documents sorted by their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cenote.errors import InvalidRequest, NonFiniteResult, WrongType
from cenote.outputs import RerankResult, ScoringRequestOutput
from cenote.scoring.texts import ScoreItem

__all__ = ["check_top_n", "ranking"]


def check_top_n(top_n: Any) -> None:
    """Check how many documents of a ranking are asked for.

    Raises:
        WrongType: it is no whole number.
        InvalidRequest: it is not positive.
    """
    if top_n is not None and type(top_n) is not int:
        raise WrongType(f"top_n must be a whole number, not {top_n!r:.80}.", param="top_n")
    if top_n is not None and top_n < 1:
        raise InvalidRequest(f"top_n must be at least 1, not {top_n}.", param="top_n")


def ranking(
    documents: Sequence[ScoreItem], scores: Sequence[ScoringRequestOutput], top_n: int | None
) -> list[RerankResult]:
    """Sort documents by score, best first; equal scores keep the order that was given.

    Raises:
        NonFiniteResult: a document could not be scored; a ranking without it would be wrong.
    """
    failed = next((at for at, item in enumerate(scores) if item.error is not None), None)
    if failed is not None:
        error = scores[failed].error
        assert error is not None
        raise NonFiniteResult(f"Document {failed} could not be scored: {error.message}")
    results = [RerankResult(at, item.outputs.score, documents[at]) for at, item in enumerate(scores)]
    return sorted(results, key=lambda item: -item.score)[:top_n]
