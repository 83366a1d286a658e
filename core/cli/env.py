"""`cenote env`: what a bug report needs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cenote.cli.machine import kernel_facts, machine_facts, torch_facts
from cenote.cli.settings import environment_facts, version_facts

__all__ = ["env"]


def env(
    full: Annotated[
        bool, typer.Option("--full", help="Import torch too: its threads and devices, and the kernels.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of tables.")] = False,
) -> None:
    """Show versions, machine and environment variables. Values of secrets are never shown."""
    sections = {"versions": version_facts(), "machine": machine_facts(), "environment": environment_facts()}
    if full:
        sections |= {"torch": torch_facts(), "kernels": kernel_facts()}
    if as_json:
        print(json.dumps(sections, indent=2))
    else:
        _print_sections(sections)


def _print_sections(sections: dict[str, dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for title, facts in sections.items():
        table = Table(box=None, pad_edge=False, show_header=False, title=title, title_justify="left")
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(Text(name), Text(value))
        if not facts:
            table.add_row(Text("nothing set"), Text(""))
        console.print(table)
        console.print()
