"""`cenote plugins new`: the files of a new plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cenote.authoring.scaffold import KINDS, new_plugin
from cenote.cli.table import BUILT_IN

__all__ = ["new"]


def new(
    name: Annotated[str, typer.Argument(help="Name of the distribution, such as cenote-acme.")],
    kind: Annotated[str, typer.Option("--kind", metavar="|".join(KINDS), help="What it offers.")] = "model",
    into: Annotated[Path, typer.Option("--into", help="Folder in which the plugin's own is made.")] = Path(),
    package: Annotated[str | None, typer.Option("--package", help="Import name; none makes it of NAME.")] = None,
) -> None:
    """Write the files of a new plugin: code that runs, its metadata and its tests.

    Example: cenote plugins new cenote-acme --kind io-processor
    """
    folder = new_plugin(name, kind=kind, into=into, package=package, commands=BUILT_IN)
    print(f"Wrote {folder}:")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"  {path.relative_to(folder)}")
    print(f"\nNext:\n  cd {folder}\n  pip install -e '.[test]'\n  cenote plugins check {name}\n  pytest")
