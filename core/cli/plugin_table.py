"""The table that `cenote plugins list` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cenote.cli.terminal import printable
from cenote.registry import USABLE, PluginRow

__all__ = ["print_plugins"]

_HEADINGS = ("name", "kind", "distribution", "version", "tasks", "state")
#: Columns of a terminal in which tasks fit beside the rest, and of output that goes to a file.
_ROOM_FOR_TASKS, _WIDE = 130, 200
_COLOURS = {"discovered": "", "active": "green", "disabled": "dim", "incompatible": "yellow", "failed": "red"}


def print_plugins(rows: Sequence[PluginRow], active_set: str) -> None:
    """Print one line per plugin, and one more for each that cannot be used, with the cause.

    Args:
        rows: what is installed.
        active_set: fingerprint of what takes part.
    """
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    console.print(_table(rows, console.width))
    names = {name for row in rows if row.state in USABLE for name in row.architectures}
    offers = sum(not name.startswith("convert:") for name in names)  # those stand for conversions, not for classes
    counts = f"{len(rows)} plugins; {offers} architecture names have a spec."
    console.print(Text(f"\n{counts} Fingerprint of the active set: {active_set}.", style="dim"))
    for row in rows:
        if row.state not in USABLE:
            source = f"{row.distribution} {row.version}".rstrip()
            line = f"{row.state}: {row.name} ({row.kind}) of {source}: {row.detail}"
            console.print(Text(printable(line), style=_COLOURS[row.state]), soft_wrap=True)


def _table(rows: Sequence[PluginRow], width: int) -> Table:
    # Names are what people copy from here: tasks go first where there is no room, and only very long names wrap.
    long_names = any(len(row.name) > 40 for row in rows)
    headings = [name for name in _HEADINGS if name != "tasks" or width >= _ROOM_FOR_TASKS]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        keep_whole = heading != "tasks" and not (long_names and heading == "name")
        table.add_column(heading, overflow="fold", no_wrap=keep_whole)
    for row in rows:
        cells = {**asdict(row), "tasks": ", ".join(row.tasks)}
        table.add_row(
            *(Text(printable(cells[name]), style=_COLOURS[row.state] if name == "state" else "") for name in headings)
        )
    return table
