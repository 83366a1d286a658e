"""A command group that knows names and help lines, and imports a command only to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import typer.core

from cenote.cli.lazy import LazyGroup, as_command
from cenote.cli.table import BUILT_IN
from cenote.errors import PluginError
from cenote.registry import default_registry

__all__ = ["COMMANDS", "CommandGroup"]

#: Entry-point group of commands that plugins add.
COMMANDS = "cenote.commands"


class CommandGroup(LazyGroup):
    """The commands of cenote itself and of plugins."""

    lines: ClassVar[Mapping[str, str]] = {name: text for name, (_, text) in BUILT_IN.items()}
    targets: ClassVar[Mapping[str, str]] = {name: target for name, (target, _) in BUILT_IN.items()}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._plugins: dict[str, str] | None = None

    def list_commands(self, ctx: Any) -> list[str]:
        """Return built-in names in their order, then those of plugins."""
        self._add_plugins()
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the placeholder of a command, or None for an unknown name."""
        if cmd_name not in self.commands:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def real_command(self, name: str) -> Any:
        """Import a command.

        Raises:
            PluginError: a plugin's command cannot be imported or is no command.
        """
        if name in self.targets:
            return super().real_command(name)
        return _command_of_plugin(name)

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


def _command_of_plugin(name: str) -> Any:
    loaded = default_registry().get(COMMANDS, name)
    try:
        return as_command(loaded, name)
    except Exception as exc:  # whatever the plugin hands out, its user gets one line
        entry = default_registry().entries(COMMANDS)[name][0]
        text = f"Command {name!r} of {entry.source} is not usable: {type(exc).__name__}: {exc}"
        raise PluginError(text, plugin=name, distribution=entry.distribution) from exc
