"""`cenote plugins`: what is installed and whether it works, and the commands of authors of plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, ClassVar

import typer

from cenote.cli.imports import spared_output, told_below
from cenote.cli.lazy import LazyGroup
from cenote.registry import API_VERSION, fingerprint, list_plugins

__all__ = ["app", "list_installed"]

_AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object instead of a table.")]


class _PluginCommands(LazyGroup):
    """The subcommands; each is imported when it is called."""

    lines: ClassVar[Mapping[str, str]] = {
        "list": "List every spec and other plugin with its state.",
        "check": "Check an installed plugin: its metadata, its code and the conformance kit.",
        "why": "Explain which plugin serves a name, an architecture or a model, and why.",
        "new": "Write the files of a new plugin that installs and passes its own tests.",
    }
    targets: ClassVar[Mapping[str, str]] = {
        "list": "cenote.cli.plugins:list_installed",
        "check": "cenote.cli.plugin_check:check",
        "why": "cenote.cli.plugin_why:why",
        "new": "cenote.cli.plugin_new:new",
    }


app = typer.Typer(cls=_PluginCommands, add_completion=False, invoke_without_command=True)


@app.callback()
def plugins(context: typer.Context, as_json: _AsJson = False) -> None:
    """Look at installed plugins, and write new ones. Without a command, list them."""
    if context.invoked_subcommand is None:
        list_installed(as_json)
    elif as_json:
        raise typer.BadParameter(f"write it behind the command: cenote plugins {context.invoked_subcommand} --json")


def list_installed(as_json: _AsJson = False) -> None:
    """List every spec and other plugin: name, kind, distribution, version, tasks and state.

    Specs and convert rules are imported to be listed; the code of all other kinds is not. The fingerprint is equal in
    processes where the same plugins take part.
    """
    with spared_output(), told_below():
        rows, active_set = list_plugins(), fingerprint()
    if as_json:
        listed = [asdict(row) for row in rows]
        print(json.dumps({"fingerprint": active_set, "api_version": API_VERSION, "plugins": listed}, indent=2))
        return
    from cenote.cli.plugin_table import print_plugins

    print_plugins(rows, active_set)
