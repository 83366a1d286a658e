"""`cenote models`: what a model is and does, without running it on anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cenote.cli.engine_options import engine_flags, engine_options, load_llm
from cenote.cli.terminal import printable

__all__ = ["app", "inspect"]

app = typer.Typer(add_completion=False, no_args_is_help=True)

#: Columns that the longest names of classes and specs need, and what is left of 80 for the source.
_IDENTIFIER, _SOURCE = 40, 20
#: Columns of output that goes to a file or another program.
_WIDE = 200
#: How the table names who decided a value.
_SOURCES = {
    "user": "user",
    "sentence_transformers": "Sentence-Transformers files",
    "model_default": "the model's own default",
    "model default": "the model's own default",
    "default": "no file says; cenote's default",
    "pooler_default": "no file says; cenote's default",
    "registry": "the registry, see reason",
    "measured": "measured on the loaded weights",
}


@app.callback()
def models() -> None:
    """Look at models."""


@app.command("inspect")
@engine_flags
def inspect(
    model: Annotated[
        str | None, typer.Argument(help="Folder or hub id; none is the demonstration model.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of a table.")] = False,
    **options: Any,
) -> None:
    """Load a model, and print what was resolved and from where: adapter, tasks, pooling, lengths, prompts.

    Example: cenote models inspect BAAI/bge-small-en-v1.5 --pooler-config.seq_pooling_type MEAN
    """
    with load_llm(model, engine_options(options)) as llm:
        report = llm.report()
    if as_json:
        print(json.dumps({name: _record(line) for name, line in report.items()}, indent=2, ensure_ascii=True))
    else:
        _print_table(report)


def _parts(line: str) -> tuple[Any, str]:
    """Return value and source of a line of a report; of a plain text, the text."""
    return getattr(line, "value", str(line)), getattr(line, "source", "")


def _record(line: str) -> dict[str, Any]:
    value, source = _parts(line)
    if not isinstance(value, bool | int | float | str | list | tuple | dict | None):
        value = str(value)
    return {"value": value, "source": source or None}


def _print_table(report: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold", min_width=_IDENTIFIER)
    table.add_column("from", overflow="fold", max_width=_SOURCE if console.width < _WIDE else None)
    for name, line in report.items():
        value, source = _parts(line)
        table.add_row(name, Text(printable(_shown(value))), Text(printable(_SOURCES.get(source, source)), style="dim"))
    console.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {text!r}" for name, text in value.items())
    return str(value)
