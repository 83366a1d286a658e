"""Which pages are chosen."""

from __future__ import annotations

import pytest

from cenote_pdf_pages.selection import select_pages


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, [1, 2, 3, 4, 5]),
        ("1", [1]),
        ("2-4", [2, 3, 4]),
        ("1-2,5", [1, 2, 5]),
        (" 4 - , 1 ", [4, 5, 1]),
        ("5,5,1-5", [5, 1, 2, 3, 4]),
        ([3, 1, 3], [3, 1]),
    ],
)
def test_pages_come_in_the_order_asked_for(wanted: str | list[int] | None, chosen: list[int]) -> None:
    assert select_pages(wanted, 5, 10) == chosen


@pytest.mark.parametrize("wanted", ["", "a", "1-2-3", "1,,2", "-3", "1.5", "²", "1;2", "--"])
def test_other_words_are_not_understood(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"is not understood; write it as '1-3,5,8-'"):
        select_pages(wanted, 5, 10)


@pytest.mark.parametrize(
    ("wanted", "page"), [("6", 6), ("0", 0), ("4-7", 7), ("7-", 7), ([-1], -1), ("1-999999999", 999999999)]
)
def test_a_page_that_there_is_not_is_named(wanted: str | list[int], page: int) -> None:
    with pytest.raises(ValueError, match=f"it has 5 pages, so that there is no page {page}"):
        select_pages(wanted, 5, 10)


def test_ranges_run_forwards_and_hold_something() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        select_pages("3-1", 5, 10)
    with pytest.raises(ValueError, match="no page of it is chosen"):
        select_pages([], 5, 10)


@pytest.mark.parametrize("wanted", [None, "1-3", "1,2,3", ",".join(["1-5"] * 100)])
def test_too_many_pages_are_refused(wanted: str | None) -> None:
    with pytest.raises(ValueError, match="are asked for, and 2 are left of what a request may have; choose 'pages'"):
        select_pages(wanted, 5, 2)
