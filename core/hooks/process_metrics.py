"""Built-in hooks: what every Prometheus client tells of its process: memory, processor time, open files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cenote.hooks.spec import hookimpl

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = ["cenote_metrics"]


@hookimpl
def cenote_metrics() -> list[Collector]:
    """Return the client library's own collector, whose metrics are called `process_...`; they exist on Linux only."""
    from prometheus_client import ProcessCollector

    return [ProcessCollector(registry=None)]
