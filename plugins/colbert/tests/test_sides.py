"""Markers of tokenizers that put nothing in front of a text, and texts without any token that has a vector."""

from __future__ import annotations

import pytest

from cenote.errors import InvalidRequest
from cenote.inputs import Located, TextEncoder
from cenote.types import PreparedInput
from cenote_colbert.sides import Filling, Side, TokenChoice

#: Only its results are finished here; it makes none.
_NO_ENCODER: TextEncoder = None  # type: ignore[assignment]


def test_the_marker_changes_places_with_the_first_token() -> None:
    side = Side(encoder=_NO_ENCODER, choice=TokenChoice(), follows=True, filling=Filling(9, 5, attended=False))
    assert side.finish(PreparedInput(token_ids=(7, 1, 2))) == PreparedInput(token_ids=(1, 7, 2, 9, 9), attended=3)
    with pytest.raises(InvalidRequest, match="empty"):
        side.finish(PreparedInput(token_ids=(7,)))
    found = side.locate(lambda: Located(ids=(7, 1, 2), spans=(None, (0, 1), (1, 2)), text="ab"))
    assert found.ids == (1, 7, 2, 9, 9)
    assert found.spans == ((0, 1), None, (1, 2), None, None)


def test_a_full_text_gets_no_filling_and_all_its_tokens_are_attended_to() -> None:
    side = Side(encoder=_NO_ENCODER, choice=TokenChoice(), filling=Filling(9, 2, attended=False))
    assert side.finish(PreparedInput(token_ids=(1, 2))) == PreparedInput(token_ids=(1, 2))


def test_only_some_tokens_may_have_a_vector() -> None:
    assert TokenChoice(only=frozenset({3})).places((1, 3, 2, 3)) == (1, 3)
    assert TokenChoice(dropped=frozenset({4})).places((1, 2)) is None
    with pytest.raises(InvalidRequest, match="No token of this text"):
        TokenChoice(dropped=frozenset({1})).places((1, 1))
