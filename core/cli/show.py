"""Tables and JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cenote.cli.terminal import printable

__all__ = ["print_json", "print_table"]


def print_json(value: Any) -> None:
    """Write a value as JSON in one line."""
    sys.stdout.buffer.write(f"{json.dumps(value, ensure_ascii=False)}\n".encode())


def print_table(columns: Sequence[str], texts: Collection[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts, cut where the terminal is narrow, and numbers, which never are.

    Args:
        columns: headings.
        texts: those of the columns that hold texts.
        rows: one cell per column.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    # Where the terminal is narrow only the texts give way: rich shrinks columns that may wrap first.
    for heading in columns:
        if heading in texts:
            table.add_column(heading)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(
            *(
                Text(printable(cell), no_wrap=True, overflow="ellipsis") if heading in texts else Text(cell)
                for heading, cell in cells
            )
        )
    Console().print(table)
