"""Command groups that know names and help lines, and import a command only to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import typer
import typer.core
import typer.main

from cenote.registry import load_object

__all__ = ["LazyGroup", "as_command"]

_COMPLETION_OPTIONS = frozenset({"install_completion", "show_completion"})


class LazyGroup(typer.core.TyperGroup):
    """Holds a placeholder per command; dispatch replaces the one that is called by the real command."""

    #: Name of each command and the line that `--help` shows for it, in the order of the listing.
    lines: ClassVar[Mapping[str, str]] = {}
    #: Where each of these commands is, as `package.module:attribute`.
    targets: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, text in self.lines.items():
            self.commands[name] = typer.core.TyperCommand(name, help=text)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, real command and remaining arguments; the command is imported here."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, placeholder if name is None else self.real_command(name), rest

    def real_command(self, name: str) -> Any:
        """Import the command of a listed name."""
        return as_command(load_object(self.targets[name]), name)


def as_command(target: typer.Typer | Callable[..., Any], name: str) -> Any:
    """Return what typer runs for a typer app, or for a function whose parameters become arguments and options.

    Raises:
        TypeError: the target is neither.
    """
    if not isinstance(target, typer.Typer):
        if not callable(target):
            raise TypeError(f"expected a typer app or a function, found {type(target).__name__}")
        app = typer.Typer(add_completion=False)
        app.command(name)(target)
        target = app
    command = typer.main.get_command(target)
    # A typer app brings options that install shell completion for itself; this one is part of another program.
    command.params = [option for option in command.params if option.name not in _COMPLETION_OPTIONS]
    return command
