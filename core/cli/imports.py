"""Keeping what plugins do while they are imported apart from what a command prints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout

__all__ = ["spared_output", "told_below"]

#: Says why plugins are passed over or fail.
_WARNS = "cenote.registry.loader"


@contextmanager
def spared_output() -> Iterator[None]:
    """Send to standard error whatever is printed meanwhile, by Python or below it; standard output is the command's.

    Both streams are whole afterwards, even if a plugin closes them.
    """
    sys.stdout.flush()
    kept = {number: os.dup(number) for number in (1, 2) if _is_open(number)}
    with ExitStack() as stack:
        for number, copy in kept.items():
            stack.callback(_restore, copy, number)
        if len(kept) == 2:
            os.dup2(2, 1)
            # A copy, so that a plugin which closes what it finds closes nothing of ours.
            stand_in = stack.enter_context(os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace"))
            stack.enter_context(redirect_stdout(stand_in))
        yield


@contextmanager
def told_below() -> Iterator[None]:
    """Do not log why plugins fail: for commands that print it themselves."""
    logger = logging.getLogger(_WARNS)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _restore(copy: int, number: int) -> None:
    os.dup2(copy, number)
    os.close(copy)
