"""The command group of `cenote`: built-in commands and those of plugins, through one door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import typer

from cenote.cli.imports import told_below
from cenote.cli.lazy import LazyGroup, as_command
from cenote.cli.report import report_error
from cenote.cli.table import BUILT_IN
from cenote.errors import InvalidRequest, PluginError
from cenote.registry import default_registry

__all__ = ["COMMANDS", "Command", "CommandGroup", "check_command"]

#: Entry-point group of commands.
COMMANDS = "cenote.commands"

#: What an entry of the group points at: a typer app, or a function whose parameters become arguments and options.
Command: TypeAlias = typer.Typer | Callable[..., Any]


def check_command(value: object) -> None:
    """Raise TypeError unless the value is a typer app or a function; nothing is called."""
    if not isinstance(value, typer.Typer) and not callable(value):
        raise TypeError(f"expected a typer app or a function, found {type(value).__name__}")


class CommandGroup(LazyGroup):
    """Lists commands by their metadata, and imports the one that is called."""

    lines = BUILT_IN

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._looked_for_plugins = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return built-in names in their order, then those of plugins."""
        try:
            self._add_plugins()
        except InvalidRequest as exc:  # a wrong file of plugins must not keep anybody from reading the help
            report_error(exc)
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the placeholder of a command, or None for an unknown name; one that is kept out is not listed."""
        if cmd_name not in self.commands:
            self._add_plugins()
        found = super().get_command(ctx, cmd_name)
        if found is None and default_registry().rejections(COMMANDS, cmd_name):
            return typer.core.TyperCommand(cmd_name)  # calling it tells why it does not take part
        return found

    def real_command(self, name: str) -> Any:
        """Import a command.

        Raises:
            PluginError: it is disabled, incompatible or claimed twice, cannot be imported, or is no command.
        """
        with told_below():  # as the one error of this command
            loaded = default_registry().get(COMMANDS, name)
        try:
            return as_command(loaded, name)
        except Exception as exc:  # whatever the plugin hands out, its user gets one line
            entry = default_registry().entries(COMMANDS)[name][0]
            text = f"Command {name!r} of {entry.source} is not usable: {type(exc).__name__}: {exc}"
            raise PluginError(text, plugin=name, distribution=entry.distribution) from exc

    def _add_plugins(self) -> None:
        if self._looked_for_plugins:
            return
        offers = default_registry().entries(COMMANDS)
        self._looked_for_plugins = True
        for name in sorted(offers.keys() - BUILT_IN.keys()):
            text = f"from {' and '.join(sorted(entry.source for entry in offers[name]))}"
            self.commands[name] = typer.core.TyperCommand(name, help=text, rich_help_panel="Commands of plugins")
