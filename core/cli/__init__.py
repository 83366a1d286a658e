"""The command line. Commands are listed without being imported, so that `cenote --help` loads no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from cenote.cli.group import CommandGroup
from cenote.cli.report import report_error
from cenote.errors import CenoteError

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process with 0, with 2 for bad input, or with 1 for any other failure."""
    app = typer.Typer(cls=CommandGroup, no_args_is_help=True, add_completion=False)
    app.callback(context_settings={"help_option_names": ["-h", "--help"]})(_cenote)
    try:
        typer.main.get_command(app).main(prog_name="cenote")
    except CenoteError as exc:
        raise SystemExit(report_error(exc)) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        from cenote import __version__

        print(f"cenote {__version__}")
        raise typer.Exit


def _cenote(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run pooling models: models whose answer is a vector, a score or a label."""
