"""`cenote acme-hello`."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["hello"]


def hello(name: Annotated[str, typer.Argument(help="Who is greeted.")] = "stranger") -> None:
    """Greet somebody."""
    print(f"Acme greets {name}.")
