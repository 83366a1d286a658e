"""The hooks: functions that a plugin may have. One entry of the group `cenote` is a module, or an object, with some.

A plugin marks its functions with `cenote.hooks.hookimpl`, and may leave out arguments that it does not need. Each
plugin is told of events in a thread of its own, one after another in their order, so that a slow one delays neither
requests nor other plugins; 1024 events may wait for it, and further ones are dropped and counted. What a hook raises is
logged with the plugin's name and counted; everything else goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from cenote.hooks.events import BatchDone, ModelLoaded, RequestDone, ServerStarted, ServerStopping

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = [
    "HOOKS",
    "PROJECT",
    "cenote_batch_done",
    "cenote_engine_options",
    "cenote_metrics",
    "cenote_model_loaded",
    "cenote_request_done",
    "cenote_server_started",
    "cenote_server_stopping",
    "hookimpl",
]

#: Name of the entry-point group, and of the project as pluggy knows it.
PROJECT = "cenote"

hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a plugin's function as one of the hooks.
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cenote_engine_options(options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give defaults for options of an engine that is about to load a model; called by `LLM` and `AsyncLLM`.

    What the user gave stays. Where several plugins name an option, the first one by the plugins' names wins. An
    unknown option, or a value that does not fit, is left out with a warning that names the plugin. Called in the thread
    that makes the engine, which waits.

    Args:
        options: what the user gave, by the names of `LLM`'s arguments, without `hf_token`; read-only.

    Returns:
        Further options, or None.

    Raises:
        InvalidRequest: the operator's own settings of the plugin are wrong; no model is loaded then.
    """
    return None


@hookspec
def cenote_model_loaded(event: ModelLoaded) -> None:
    """Hear that a model was loaded, by `LLM` or by a server."""


@hookspec
def cenote_server_started(event: ServerStarted) -> None:
    """Hear that a server accepts connections."""


@hookspec
def cenote_server_stopping(event: ServerStopping) -> None:
    """Hear that a server is about to end; it waits two seconds for plugins that still have events to hear."""


@hookspec
def cenote_request_done(event: RequestDone) -> None:
    """Hear how a request ended that asked something of a model over HTTP."""


@hookspec
def cenote_batch_done(event: BatchDone) -> None:
    """Hear that a batch ran, in a server or offline."""


@hookspec
def cenote_metrics() -> Iterable[Collector] | None:
    """Give metrics for a server's `/metrics`; called once, when the server is built.

    The collectors are asked at each scrape, in the plugin's thread and for at most a second. Metrics whose names are
    taken already are left out with a warning.

    Returns:
        Objects of `prometheus_client`, made with `registry=None`; or None.
    """
    return None


#: This module, as pluggy takes it.
HOOKS: ModuleType = sys.modules[__name__]
