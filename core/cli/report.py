"""How errors reach the person at the terminal."""

from __future__ import annotations

import os
import sys
import traceback

from cenote.cli.terminal import printable
from cenote.errors import CenoteError, InvalidRequest, ModelNotFound, UnknownPlugin

__all__ = ["exit_code", "report_error"]

_BAD_INPUT = (InvalidRequest, ModelNotFound, UnknownPlugin)


def exit_code(error: Exception) -> int:
    """Return 2 where the command line asked for something wrong, else 1."""
    return 2 if isinstance(error, _BAD_INPUT) else 1


def report_error(error: Exception) -> int:
    """Print the error as one red line on standard error, or with its traceback under CENOTE_DEBUG=1.

    Notes that were added to the error follow its text.

    Returns:
        The exit code of the process.
    """
    if os.environ.get("CENOTE_DEBUG") == "1":
        traceback.print_exception(error)
        return exit_code(error)
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stderr, soft_wrap=True)
    console.print(Text(f"Error: {printable(_line(error))}", style="red"))
    return exit_code(error)


def _line(error: Exception) -> str:
    parts = [str(error), *getattr(error, "__notes__", ())]
    if not isinstance(error, CenoteError):
        parts = [f"unexpected {type(error).__name__}:", *parts, "CENOTE_DEBUG=1 shows where it comes from."]
    return " ".join(" ".join(parts).split()) or type(error).__name__
