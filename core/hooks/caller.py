"""Calls the hooks of all plugins that take part, each by itself."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from cenote.errors import PluginError
from cenote.hooks.events import Event
from cenote.hooks.listener import Listener
from cenote.hooks.mailbox import Mailbox, flush
from cenote.hooks.methods import check_hooks, hook_methods
from cenote.hooks.spec import PROJECT
from cenote.registry import Entry, Registry, default_registry
from cenote.registry.patience import PatientLoader

__all__ = ["HookCaller", "check_hooks"]

#: Seconds to wait for the module of a listener, which may import large libraries.
_PATIENCE = 60.0

_lock = threading.Lock()
#: Plugins that were loaded, so that one has one thread and one count however many engines a process has.
_loaded: weakref.WeakKeyDictionary[Registry, dict[Entry, Listener]] = weakref.WeakKeyDictionary()


class HookCaller:
    """The listeners of one engine or one server. Thread safe.

    Installed plugins are shared by all callers of a process. What a host registers itself belongs to this caller, is
    held weakly, and is called at once, in the thread where something happens: it must be quick.
    """

    def __init__(self, listeners: Iterable[Listener] = ()) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._heard: dict[str, tuple[Listener, ...]] = {}
        self._set(listeners)

    @classmethod
    def load(cls, registry: Registry | None = None) -> HookCaller:
        """Load what is installed. A plugin that does not load is warned about by the registry, once, and left out.

        Args:
            registry: where to look; None is the registry of this process.
        """
        registry = default_registry() if registry is None else registry
        offers = [entry for entries in registry.entries(PROJECT).values() for entry in entries]
        with _lock:
            known = _loaded.setdefault(registry, {})
            for gone in known.keys() - set(offers):
                del known[gone]
        return cls(listener for entry in offers if (listener := _listener(registry, entry)) is not None)

    def register(self, plugin: object, name: str) -> None:
        """Call the hooks of an object too, as long as somebody else holds it.

        Raises:
            TypeError: a hook wants arguments that there are not.
            ValueError: a hook is unknown, or there is none.
        """
        listener = Listener(name, "this process", hook_methods(plugin), weakref.ref(plugin))
        with self._lock:
            self._set((*self._listeners, listener))

    def listeners(self, hook: str) -> tuple[Listener, ...]:
        """Return who has a hook, in the order in which they are called: by name."""
        return self._heard.get(hook, ())

    def __iter__(self) -> Iterator[Listener]:
        """Return all listeners."""
        return iter(self._listeners)

    def tell(self, hook: str, event: Event) -> None:
        """Tell everybody who has a hook of an event; nothing is raised."""
        for listener in self._heard.get(hook, ()):
            listener.tell(hook, event)

    def ask(self, hook: str, *, may_refuse: bool = False, **arguments: object) -> list[tuple[Listener, Any]]:
        """Return the answers of all who have a hook and gave one, in this thread.

        Raises:
            InvalidRequest: a plugin raised it, where that may be.
        """
        heard = self._heard.get(hook, ())
        answers = [(listener, listener.call(hook, arguments, may_refuse=may_refuse)) for listener in heard]
        return [(listener, answer) for listener, answer in answers if answer is not None]

    def flush(self, seconds: float) -> bool:
        """Wait until all that was told is heard, at most so long; return whether it is."""
        return flush([listener.mailbox for listener in self._listeners if listener.mailbox is not None], seconds)

    def _set(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listener for listener in listeners if not listener.is_gone)
        heard: dict[str, list[Listener]] = {}
        for listener in self._listeners:
            for hook in listener.methods:
                heard.setdefault(hook, []).append(listener)
        self._heard = {hook: tuple(sorted(found, key=partial(_place, hook))) for hook, found in heard.items()}


def _place(hook: str, listener: Listener) -> tuple[int, str, str]:
    return listener.methods[hook].order, listener.name, listener.source


def _listener(registry: Registry, entry: Entry) -> Listener | None:
    with _lock:
        known = _loaded.setdefault(registry, {}).get(entry)
    if known is not None:
        return known
    try:
        plugin = PatientLoader(registry, _PATIENCE).load(entry, check_hooks)
        methods = hook_methods(plugin)
    except PluginError:  # which the registry has logged
        return None
    listener = Listener(entry.name, entry.source, methods, lambda: plugin, mailbox=Mailbox(entry.name))
    with _lock:
        return _loaded.setdefault(registry, {}).setdefault(entry, listener)
