"""What answers with scores have in common: numbers and usage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.errors import NonFiniteResult
from cenote.outputs import ScoringRequestOutput

__all__ = ["ScoreUsage", "score_number", "write_json"]


class ScoreUsage(TypedDict):
    """Tokens of a request; a query that is read once counts once."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int
    prompt_tokens_details: None
    completion_tokens_details: None
    truncated_tokens: int


def score_number(output: ScoringRequestOutput) -> Any:
    """Return the score of a pair as a numpy float32: in the precision it was computed in, which orjson writes as such.

    Raises:
        NonFiniteResult: it is infinite or no number, which JSON cannot say.
    """
    score = output.outputs.score
    if not math.isfinite(score):
        raise NonFiniteResult("The score of a pair is not finite; it is withheld.")
    return np.float32(score)


def write_json(body: Mapping[str, Any]) -> Response:
    """Return an answer that holds one number per item, which is small enough to write at once."""
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
