"""Which pages a request wants."""

from __future__ import annotations

import re

__all__ = ["select_pages"]

_RANGE = re.compile(r"\s*([0-9]{1,9})\s*(?:(-)\s*([0-9]{1,9})?\s*)?")


def select_pages(wanted: str | list[int] | None, count: int, most: int) -> list[int]:
    """Return page numbers from 1, each once, in the order in which they are asked for.

    Args:
        wanted: `"1-3,5,8-"`, a list of numbers, or None for all.
        count: pages that there are.
        most: pages that may be chosen.

    Raises:
        ValueError: it is no such text, names a page that there is not, or chooses too many.
    """
    ranges = [range(1, count + 1)] if wanted is None else _ranges(wanted, count)
    for part in ranges:
        if part.start < 1 or part.stop - 1 > count:
            wrong = part.start if not 1 <= part.start <= count else part.stop - 1
            raise ValueError(f"it has {_pages(count)}, so that there is no page {wrong}")
    if sum(map(len, ranges)) > 2 * most:  # more than twice each; refused before the numbers are written down
        raise _too_many(sum(map(len, ranges)), most)
    chosen = list(dict.fromkeys(page for part in ranges for page in part))
    if not chosen:
        raise ValueError("no page of it is chosen; leave 'pages' out for all")
    if len(chosen) > most:
        raise _too_many(len(chosen), most)
    return chosen


def _ranges(wanted: str | list[int], count: int) -> list[range]:
    if not isinstance(wanted, str):
        return [range(page, page + 1) for page in wanted]
    found = []
    for part in wanted.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"pages={wanted!r:.80} is not understood; write it as '1-3,5,8-'")
        first = int(match[1])
        last = first if match[2] is None else int(match[3] or max(count, first))
        if last < first:
            raise ValueError(f"pages={wanted!r:.80} has a range that ends before it begins")
        found.append(range(first, last + 1))
    return found


def _too_many(chosen: int, most: int) -> ValueError:
    return ValueError(f"{_pages(chosen)} are asked for, and {most} are left of what a request may have; choose 'pages'")


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"
