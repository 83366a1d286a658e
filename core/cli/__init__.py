"""The command line. Commands are listed without being imported, so that `cenote --help` loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from cenote.cli.group import CommandGroup
from cenote.cli.report import report_error
from cenote.registry import default_registry

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


def _restriction(name: str) -> Callable[[typer.Context, str | None], str | None]:
    """Return what applies one of the flags of plugins: before any command is looked for, plugins' own included."""

    def apply(context: typer.Context, value: str | None) -> str | None:
        if value is not None:
            given = context.meta.setdefault("cenote.plugins", {})
            given[name] = value
            default_registry().restrict(**given)
        return value

    return apply


def _cenote(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    plugins: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            callback=_restriction("plugins"),
            is_eager=True,
            help="Only these plugins take part: names, distributions, GROUP/NAME or GROUP/*. Built-ins always do.",
        ),
    ] = None,
    disable_plugins: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            callback=_restriction("disable_plugins"),
            is_eager=True,
            help="These do not take part, and are never imported.",
        ),
    ] = None,
    plugin_config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            callback=_restriction("plugin_config"),
            is_eager=True,
            help="TOML file with both lists, with plugins that are required, and with settings of plugins.",
        ),
    ] = None,
) -> None:
    """Run pooling models: models whose answer is a vector, a score or a label."""
