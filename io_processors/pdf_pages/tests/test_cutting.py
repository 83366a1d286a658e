"""Texts are cut at the end of a word where there is one."""

from __future__ import annotations

import math

import pytest

from cenote_pdf_pages.cutting import cut_to_tokens


def count(text: str) -> int:
    """Count a token for each four letters of a word, and one at the beginning."""
    return 1 + sum(math.ceil(len(word) / 4) for word in text.split())


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (7, "rain falls\non rocks"),
        (6, "rain falls\non"),
        (5, "rain falls\non"),
        (4, "rain falls"),
        (3, "rain"),
        (1, ""),
    ],
)
def test_words_stay_whole(most: int, kept: str) -> None:
    assert cut_to_tokens("rain falls\non rocks", most, count) == kept


def test_a_text_that_begins_with_a_long_word_is_cut_within_it() -> None:
    assert cut_to_tokens("underwater rivers", 3, count) == "underwat"
