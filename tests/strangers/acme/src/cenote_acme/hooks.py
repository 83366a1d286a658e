"""Acme counts the texts that were embedded."""

from __future__ import annotations

import logging

from prometheus_client import Counter

from cenote.hooks import RequestDone, ServerStarted, hookimpl

__all__ = ["cenote_metrics", "cenote_request_done", "cenote_server_started"]

_log = logging.getLogger("cenote.acme")
_texts = Counter("acme_texts", "Texts that requests held.", ["task"], registry=None)


@hookimpl
def cenote_server_started(event: ServerStarted) -> None:
    """Say so in the log."""
    _log.warning("Acme sees the server at %s with %s", event.url, ", ".join(event.models))


@hookimpl
def cenote_request_done(event: RequestDone) -> None:
    """Count what was asked."""
    if event.outcome == "stop":
        _texts.labels(event.task).inc(event.items)


@hookimpl
def cenote_metrics() -> list[Counter]:
    """Offer the counter to `/metrics`."""
    return [_texts]
