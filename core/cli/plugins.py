"""`cenote plugins`: what is installed and whether it works."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from cenote.cli.group import COMMANDS
from cenote.cli.table import BUILT_IN
from cenote.registry import PluginRow, list_plugins

__all__ = ["plugins"]

_HEADINGS = ("name", "kind", "distribution", "version", "tasks", "state")
#: Columns of a terminal in which tasks fit beside the rest, and of output that goes to a file.
_ROOM_FOR_TASKS, _WIDE = 130, 200
_COLOURS = {"ok": "green", "disabled": "dim", "incompatible": "yellow", "error": "red"}


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List every spec and other plugin: name, kind, distribution, version, tasks and state.

    Specs and convert rules are imported to be listed; the code of all other kinds is not.
    """
    rows = list_plugins(reserved={COMMANDS: frozenset(BUILT_IN)})
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print_table(rows)


def _print_table(rows: list[PluginRow]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    # Names are what people copy from here: tasks go first where there is no room, and only very long names wrap.
    long_names = any(len(row.name) > 40 for row in rows)
    headings = [name for name in _HEADINGS if name != "tasks" or console.width >= _ROOM_FOR_TASKS]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        keep_whole = heading != "tasks" and not (long_names and heading == "name")
        table.add_column(heading, overflow="fold", no_wrap=keep_whole)
    for row in rows:
        cells = {**asdict(row), "tasks": ", ".join(row.tasks)}
        table.add_row(*(Text(cells[name], style=_COLOURS[row.state] if name == "state" else "") for name in headings))
    console.print(table)
    names = {name for row in rows if row.state == "ok" for name in row.architectures}
    offers = sum(not name.startswith("convert:") for name in names)  # those stand for conversions, not for classes
    console.print(Text(f"\n{len(rows)} plugins; {offers} architecture names have a spec.", style="dim"))
    for row in rows:
        if row.state != "ok":
            source = f"{row.distribution} {row.version}".rstrip()
            line = f"{row.state}: {row.name} ({row.kind}) of {source}: {row.detail}"
            console.print(Text(line, style=_COLOURS[row.state]), soft_wrap=True)
