"""Metrics that plugins add to `/metrics`, and how often their hooks failed. No plugin can break a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from cenote.hooks.caller import HookCaller

if TYPE_CHECKING:
    from cenote.hooks.listener import Listener

__all__ = ["HookFailures", "PluginMetrics", "families_text"]

_HOOK = "cenote_metrics"
#: Seconds that a scrape waits for all plugins together.
_PATIENCE = 1.0
#: Endings of the names under which a metric's samples are written. Source: prometheus_client 0.26, CollectorRegistry.
_ENDINGS = {
    "counter": ("_total", "_created"),
    "summary": ("_sum", "_count", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "info": ("_info",),
}

#: The names that a metric takes, and its text.
_Part: TypeAlias = tuple[frozenset[str], bytes]


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def families_text(families: Iterable[Metric]) -> bytes:
    """Return metrics in Prometheus' text format."""
    return generate_latest(_Families(families))


def _names(family: Metric) -> frozenset[str]:
    return frozenset((family.name, *(family.name + ending for ending in _ENDINGS.get(family.type, ()))))


class PluginMetrics:
    """The collectors of all plugins that have the hook `cenote_metrics`."""

    def __init__(self, hooks: HookCaller) -> None:
        """Ask the plugins for their collectors."""
        self._collectors: list[tuple[Listener, Collector]] = []
        self._waiting: dict[int, Future[list[_Part]]] = {}
        for listener, answer in hooks.ask(_HOOK):
            try:
                found = list(answer)
                if wrong := [item for item in found if not callable(getattr(item, "collect", None))]:
                    raise TypeError(f"it gave {type(wrong[0]).__name__}, which is no collector of prometheus_client")
            except Exception as exc:
                listener.note(_HOOK, exc)
            else:
                self._collectors += [(listener, collector) for collector in found]

    def __bool__(self) -> bool:
        """Tell whether there is anything to ask."""
        return bool(self._collectors)

    def text(self, own: Iterable[Metric]) -> bytes:
        """Return all metrics of plugins, without those whose names are taken; blocks for a second at most.

        Args:
            own: the server's metrics.
        """
        end = time.monotonic() + _PATIENCE
        for place, (listener, collector) in enumerate(self._collectors):
            if place not in self._waiting:  # else the last scrape's call has not come back
                self._waiting[place] = listener.run(partial(_parts, collector))
        taken = {name for family in own for name in _names(family)}
        text = b""
        for place, (listener, _) in enumerate(self._collectors):
            for names, part in self._collected(place, listener, end):
                if names & taken:
                    listener.note(_HOOK, ValueError(f"the metric {min(names & taken)!r} is there already"))
                else:
                    taken |= names
                    text += part
        return text

    def _collected(self, place: int, listener: Listener, end: float) -> list[_Part]:
        try:
            parts = self._waiting[place].result(timeout=max(end - time.monotonic(), 0.0))
        except FutureTimeout:
            listener.note(_HOOK, TimeoutError(f"a collector took longer than {_PATIENCE:.0f} s"))
            return []
        except BaseException as exc:
            listener.note(_HOOK, exc)
            parts = []
        del self._waiting[place]
        return parts


def _parts(collector: Any) -> list[_Part]:
    return [(_names(family), families_text([family])) for family in collector.collect()]


class HookFailures(Collector):
    """Tells how often hooks failed, and how many events slow plugins missed."""

    def __init__(self, callers: Iterable[HookCaller]) -> None:
        self._callers = tuple(callers)

    def collect(self) -> Iterator[Metric]:
        """Yield the counters; a plugin that never failed is not among them."""
        listeners = {id(listener): listener for caller in self._callers for listener in caller}.values()
        errors: dict[tuple[str, str], int] = {}
        dropped: dict[str, int] = {}
        for listener in listeners:
            for hook, count in listener.errors.copy().items():
                errors[listener.name, hook] = errors.get((listener.name, hook), 0) + count
            if listener.dropped:
                dropped[listener.name] = dropped.get(listener.name, 0) + listener.dropped
        failed = CounterMetricFamily("cenote:hook_errors", "Hooks of plugins that failed.", labels=["plugin", "hook"])
        for (plugin, hook), count in errors.items():
            failed.add_metric([plugin, hook], count)
        lost = CounterMetricFamily(
            "cenote:hook_events_dropped", "Events that a plugin was too slow for.", labels=["plugin"]
        )
        for plugin, count in dropped.items():
            lost.add_metric([plugin], count)
        yield from (failed, lost)
