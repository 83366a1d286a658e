"""Tables and JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from cenote.cli.terminal import printable

__all__ = ["print_json", "print_table"]

_TEXT_WIDTH = 48


def print_json(records: Sequence[Any]) -> None:
    """Write a JSON array in one line."""
    sys.stdout.buffer.write(f"{json.dumps(records, ensure_ascii=False)}\n".encode())


def print_table(texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts, cut where the terminal is narrow, and numbers, which never are.

    Args:
        texts: headings of the columns of text.
        numbers: headings of the columns of numbers, which follow.
        rows: one cell per column.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    # Where the terminal is narrow only the texts give way: rich shrinks columns that may wrap first.
    for heading in texts:
        table.add_column(heading, max_width=_TEXT_WIDTH)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cut = [Text(printable(cell), no_wrap=True, overflow="ellipsis") for cell in row[: len(texts)]]
        table.add_row(*cut, *map(Text, row[len(texts) :]))
    Console().print(table)
