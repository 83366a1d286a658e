"""A command group that knows names and help lines, and imports a command only to run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
import typer.core
import typer.main

from cenote.cli.table import BUILT_IN
from cenote.errors import PluginError
from cenote.registry import default_registry, load_object

__all__ = ["COMMANDS", "CommandGroup"]

#: Entry-point group of commands that plugins add.
COMMANDS = "cenote.commands"

_COMPLETION_OPTIONS = frozenset({"install_completion", "show_completion"})


class CommandGroup(typer.core.TyperGroup):
    """Holds a placeholder per command; dispatch replaces the one that is called by the real command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._plugins: dict[str, str] | None = None
        for name, (_, text) in BUILT_IN.items():
            self.commands[name] = typer.core.TyperCommand(name, help=text)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return built-in names in their order, then those of plugins."""
        self._add_plugins()
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the placeholder of a command, or None for an unknown name."""
        if cmd_name not in self.commands:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, real command and remaining arguments; the command is imported here.

        Raises:
            PluginError: a plugin's command cannot be imported or is no command.
        """
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, placeholder if name is None else _real_command(name), rest

    def _add_plugins(self) -> None:
        if self._plugins is not None:
            return
        self._plugins = {}
        for name, entries in sorted(default_registry().entries(COMMANDS).items()):
            # A built-in keeps its name; `cenote plugins` shows the plugin's claim as an error.
            if name not in BUILT_IN:
                self._plugins[name] = f"from {' and '.join(sorted(entry.source for entry in entries))}"
                self.commands[name] = typer.core.TyperCommand(
                    name, help=self._plugins[name], rich_help_panel="Commands of plugins"
                )


def _real_command(name: str) -> Any:
    if name in BUILT_IN:
        return _as_command(load_object(BUILT_IN[name][0]), name)
    loaded = default_registry().get(COMMANDS, name)
    try:
        return _as_command(loaded, name)
    except Exception as exc:  # whatever the plugin hands out, its user gets one line
        entry = default_registry().entries(COMMANDS)[name][0]
        text = f"Command {name!r} of {entry.source} is not usable: {type(exc).__name__}: {exc}"
        raise PluginError(text, plugin=name, distribution=entry.distribution) from exc


def _as_command(target: typer.Typer | Callable[..., Any], name: str) -> Any:
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
