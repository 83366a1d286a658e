"""Threads in a process that was forked: those that compute stay behind in the parent, and OpenMP waits for them."""

from __future__ import annotations

import logging
import os

__all__ = ["spare_forked_threads"]

_log = logging.getLogger(__name__)


class _Computing:
    """Which process computes.

    Attributes:
        process: the first that asked, or 0. A forked one inherits the number of its parent.
    """

    process = 0


def spare_forked_threads() -> bool:
    """Let torch compute with one thread where an ancestor of this process computed already; say whether it did.

    OpenMP's threads are not forked, and what asks for them waits for ever. One thread asks for none. Call it before
    anything is computed; it takes a microsecond.
    """
    if not _Computing.process:
        _Computing.process = os.getpid()
    if os.getpid() == _Computing.process:
        return False
    import torch

    if torch.get_num_threads() > 1:  # of the calling thread: each has a number of its own
        torch.set_num_threads(1)
        _log.warning("computing with one thread: this process was forked from one that computed; spawn it for more")
    return True
