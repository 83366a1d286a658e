"""Answers of text-embeddings-inference's dialect: bare arrays, and what they cost in headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.responses import Response

from cenote.server.encoding import VectorFormat, is_large

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.outputs import PoolingRequestOutput

__all__ = ["Cost", "array_response", "bare_response"]


class Cost:
    """Time and tokens of one request, as TEI's headers tell them (bare arrays have no place for usage)."""

    def __init__(self, characters: int) -> None:
        """Start the clock.

        Args:
            characters: of all inputs; a token id counts as one.
        """
        self._begin = time.perf_counter()
        self._characters = characters

    def headers(self, tokens: int) -> dict[str, str]:
        """Return the headers of an answer for so many tokens."""
        milliseconds = str(int((time.perf_counter() - self._begin) * 1000))
        return {
            "x-compute-characters": str(self._characters),
            "x-compute-tokens": str(tokens),
            "x-compute-time": milliseconds,
            "x-total-time": milliseconds,
        }


def bare_response(items: Sequence[bytes], headers: dict[str, str]) -> Response:
    """Return a JSON array of items that are encoded already."""
    return Response(b"[" + b",".join(items) + b"]", headers=headers, media_type="application/json")


async def array_response(outputs: Sequence[PoolingRequestOutput], cost: Cost) -> Response:
    """Return the arrays of some results in the order of the inputs; large ones are written in a thread."""
    data = [output.outputs.data for output in outputs]
    items = await asyncio.to_thread(_encode, data) if is_large(data) else _encode(data)
    return bare_response(items, cost.headers(sum(len(output.prompt_token_ids) for output in outputs)))


def _encode(data: Sequence[Tensor]) -> list[bytes]:
    return VectorFormat().all_to_json(data)
