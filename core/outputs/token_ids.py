"""Token ids of many results: each id is one object for all of them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SharedIds"]


class SharedIds:
    """Makes lists of token ids that have their ints in common, for the results of one call.

    A tokenizer makes a new int of 32 bytes for each token, beside the 8 that a list has for it. Only what a call has
    seen is known here, and only as long as the call: a vocabulary of 250,000 ids would stay 18 MB.
    """

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def listed(self, ids: Sequence[int]) -> list[int]:
        """Return equal ids as a list of its own."""
        shared = tuple(map(self._known.setdefault, ids, ids))
        return list(shared)  # a list that is made of an iterator would have room for more
