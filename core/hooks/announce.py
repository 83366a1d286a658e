"""Built-in hooks: lines of the log that tell what was loaded, and with which plugins a server runs."""

from __future__ import annotations

import logging

from cenote.hooks.events import ModelLoaded
from cenote.hooks.spec import hookimpl

__all__ = ["cenote_model_loaded"]

_log = logging.getLogger(__name__)


@hookimpl
def cenote_model_loaded(event: ModelLoaded) -> None:
    """Say which model was loaded, how fast and by whose adapter."""
    _log.info(
        "%s loaded in %.1f s on %s: %s by adapter %r of %s",
        event.model,
        event.seconds,
        event.device,
        event.architecture,
        event.adapter,
        event.distribution,
    )
