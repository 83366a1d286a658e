"""How the texts of one role are read: their marker, their filling, and the tokens that get a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cenote.errors import InvalidRequest
from cenote.inputs import Located, TextEncoder
from cenote.types import PreparedInput

__all__ = ["Filling", "Side", "TokenChoice"]

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """Which tokens get a vector.

    Attributes:
        dropped: ids that do not.
        only: the only ids that do; None: all.
    """

    dropped: frozenset[int] = frozenset()
    only: frozenset[int] | None = None

    def places(self, ids: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the places of those that do, or None for all.

        Raises:
            InvalidRequest: none does.
        """
        if not self.dropped and self.only is None:
            return None
        kept = tuple(
            place
            for place, token in enumerate(ids)
            if token not in self.dropped and (self.only is None or token in self.only)
        )
        if not kept:
            raise InvalidRequest(
                "No token of this text gets a vector: the model leaves all of them out.", param="input"
            )
        return None if len(kept) == len(ids) else kept


@dataclass(frozen=True, slots=True)
class Filling:
    """What a text is filled up with.

    Attributes:
        token: its id.
        length: tokens of the filled text.
        attended: other tokens attend to it.
    """

    token: int
    length: int
    attended: bool

    def missing(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids to append."""
        return (self.token,) * max(0, self.length - len(ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is done to the texts of one role.

    Attributes:
        encoder: makes ids of them, with the marker behind the first special token.
        choice: which tokens get a vector.
        filling: what they are filled up with; None: nothing.
        follows: the tokenizer puts nothing in front, so that the marker changes places with the first token of the
            text, and stands at the second place of every text.
    """

    encoder: TextEncoder
    choice: TokenChoice
    filling: Filling | None = None
    follows: bool = False

    def finish(self, prepared: PreparedInput) -> PreparedInput:
        """Return tokens of the encoder with the marker in its place, the filling, and the places with a vector.

        Raises:
            InvalidRequest: an empty text, where the marker would have to stand behind the filling.
        """
        ids, attended = self._placed(prepared.token_ids), None
        if self.follows and self.filling is not None and len(ids) == 1:
            raise InvalidRequest("The prompt is empty: it has no tokens.", param="input")
        if self.filling is not None and (missing := self.filling.missing(ids)):
            attended = None if self.filling.attended else len(ids)
            ids += missing
        return replace(prepared, token_ids=ids, attended=attended, kept=self.choice.places(ids))

    def locate(self, locate: Callable[[], Located]) -> Located:
        """Do the same to located tokens; the filling stands for no character."""
        found = locate()
        ids, spans = self._placed(found.ids), self._placed(found.spans)
        missing = self.filling.missing(ids) if self.filling is not None else ()
        return replace(found, ids=ids + missing, spans=spans + (None,) * len(missing))

    def _placed(self, items: tuple[ItemT, ...]) -> tuple[ItemT, ...]:
        return (*items[1:2], items[0], *items[2:]) if self.follows else items
