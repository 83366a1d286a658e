"""The command line. Commands are listed without being imported, so that `cenote --help` loads no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from cenote.cli.group import CommandGroup
from cenote.cli.report import report_error

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process.

    The exit code is 0, 2 for bad input, 130 after Ctrl+C, or 1 for any other failure.
    """
    app = typer.Typer(cls=CommandGroup, no_args_is_help=True, add_completion=False)
    app.callback(context_settings={"help_option_names": ["-h", "--help"]})(_cenote)
    try:
        typer.main.get_command(app).main(prog_name="cenote")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as exc:  # plugins and the libraries below raise many kinds; nobody needs their stack by default
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
