"""Built-in hooks: lines of the log that tell what was loaded, and with which plugins a server runs."""

from __future__ import annotations

import logging

from cenote.hooks.events import ModelLoaded, ServerStarted
from cenote.hooks.spec import hookimpl
from cenote.registry import default_registry
from cenote.registry.fingerprint import fingerprint

__all__ = ["cenote_model_loaded", "cenote_server_started"]

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


@hookimpl
def cenote_server_started(event: ServerStarted) -> None:
    """Say which plugins take part: processes of one deployment that say the same run the same code."""
    entries = default_registry().taking_part()
    sources = sorted({entry.source for entry in entries if not entry.is_built_in})
    _log.info("plugins of %s: %s; fingerprint %s", event.url, ", ".join(sources) or "none", fingerprint())
