"""The registry: names of every group, and the objects behind them when asked for."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from cenote.errors import PluginError, UnknownPlugin
from cenote.registry.entry import ARCHITECTURES, Entry, entry_problem
from cenote.registry.loading import load_object
from cenote.registry.names import nearest
from cenote.registry.problems import broken, conflict
from cenote.registry.selection import Selection, spec_refusal, trace
from cenote.registry.spec import ArchitectureSpec

__all__ = ["Registry", "default_registry"]

_log = logging.getLogger(__name__)

_Index = dict[str, dict[str, tuple[Entry, ...]]]


class Registry:
    """Finds plugins by group and name. Safe to use from several threads.

    Args:
        entries: what is installed; None scans the installed distributions on first use.
        environment: where the CENOTE_* variables are read from; None is the process environment, read at each scan.
    """

    def __init__(self, entries: Iterable[Entry] | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        self._given = None if entries is None else tuple(entries)
        self._environment = os.environ if environment is None else environment
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._index: _Index | None = None
        self._blocked: tuple[tuple[Entry, str], ...] = ()
        self._disabled_specs: frozenset[str] = frozenset()
        self._local: list[Entry] = []
        self._objects: dict[str, Any] = {}
        self._failures: dict[Entry, BaseException] = {}
        self._warned: set[tuple[str, str]] = set()

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of a group, sorted."""
        return tuple(sorted(self.entries(group)))

    def entries(self, group: str) -> Mapping[str, tuple[Entry, ...]]:
        """Return a read-only view of a group: each name and who offers it.

        Imports nothing, unless it is the group of specs and CENOTE_DISABLE_PLUGINS has a word that may be a spec's.
        """
        while group == ARCHITECTURES and self._has_disabled_specs():
            self._block_specs()
        return MappingProxyType(self._indexed().get(group, {}))

    def groups(self) -> tuple[str, ...]:
        """Return the groups that anything installed names, unknown ones included."""
        return tuple(sorted(self._indexed()))

    def blocked(self) -> tuple[tuple[Entry, str], ...]:
        """Return what the environment keeps out, each with the reason; disabled specs once specs were looked at."""
        self._indexed()
        return self._blocked

    def get(self, group: str, name: str) -> Any:
        """Load the one object of this name.

        Raises:
            UnknownPlugin: nothing installed and enabled has the name.
            PluginConflict: two distributions offer the name.
            PluginError: the plugin cannot be imported.
        """
        offers = self.entries(group).get(name, ())
        if len(offers) > 1:
            raise conflict(f"{group} {name!r}", offers, "Switch one off: CENOTE_DISABLE_PLUGINS={}")
        if not offers:
            raise self.unknown(group, name)
        return self.load(offers[0])

    def load(self, entry: Entry, check: Callable[[Any], None] | None = None) -> Any:
        """Import what an entry names. A plugin that fails is warned about once and raises each time.

        Args:
            entry: one of `entries`.
            check: called with the object; whatever it raises makes the plugin count as broken.

        Raises:
            PluginError: the entry is malformed, its import raises, or the check does.
        """
        failure = self._failures.get(entry)
        if failure is not None:
            raise broken(entry, failure) from failure
        try:
            loaded = self._import(entry)
            if check is not None:
                check(loaded)
        except (Exception, SystemExit) as exc:  # SystemExit: a module that calls sys.exit() must not end the host
            self._remember(entry, exc)
            raise broken(entry, exc) from exc
        return loaded

    def register(
        self, group: str, name: str, target: object, *, distribution: str = "in-process", version: str = ""
    ) -> Callable[[], None]:
        """Offer a plugin from the running program; environment variables do not filter it.

        Args:
            group: an entry-point group.
            name: what users will ask for.
            target: `package.module:attribute`, imported when asked for, or the object itself.
            distribution: shown in listings and errors, and accepted where users choose by distribution.
            version: shown beside it.

        Returns:
            A function that takes the registration back; calling it again does nothing.

        Raises:
            PluginError: group, name or target is malformed.
        """
        path = target if isinstance(target, str) else None
        problem = entry_problem(group, name, path)
        if problem is not None:
            raise PluginError(f"Cannot register {name!r}: {problem}.", plugin=name, distribution=distribution)
        value = path or f"<{type(target).__name__} {next(self._numbers)}>"
        entry = Entry(group, name, value, distribution, version)
        with self._lock:
            if path is None:
                self._objects[value] = target
            self._local.append(entry)
            self._index = None
        return lambda: self._unregister(entry)

    def refresh(self) -> None:
        """Look again at what is installed and at the environment, and forget failures. Registrations stay."""
        with self._lock:
            self._index = None
            self._failures.clear()
            self._warned.clear()

    def trace(self, message: str) -> None:
        """Print a decision to standard error when CENOTE_TRACE_PLUGINS is 1."""
        trace(self._environment, message)

    def unknown(self, group: str, name: str) -> UnknownPlugin:
        """Build the error for a name that a group does not have, without importing anything."""
        kept_out = [(entry, why) for entry, why in self.blocked() if (entry.group, entry.name) == (group, name)]
        if kept_out:
            entry, why = kept_out[0]
            text = f"{group} {name!r} of {entry.source} is disabled: {why}."
            return UnknownPlugin(text, plugin=name, distribution=entry.distribution)
        return UnknownPlugin(f"No {group} {name!r}. Installed: {nearest(name, self.entries(group))}.", plugin=name)

    def _indexed(self) -> _Index:
        with self._lock:
            if self._index is None:
                self._index = self._build_index()
            return self._index

    def _build_index(self) -> _Index:
        index: _Index = {}
        blocked = []
        selection = Selection.from_environment(self._environment)
        installed = self._installed()
        for entry in installed:
            refusal = selection.refusal(entry)
            if refusal is not None:
                blocked.append((entry, refusal))
                self.trace(f"{entry.group} {entry.name!r} of {entry.source}: left out, {refusal}")
                continue
            self.trace(f"{entry.group} {entry.name!r} of {entry.source}: found")
            _add(index, entry)
        for entry in self._local:
            _add(index, entry)
        self._blocked = tuple(blocked)
        not_allowed, self._disabled_specs = selection.unmatched(installed)
        self._warn_of("CENOTE_PLUGINS", not_allowed, "Names of entry points and of distributions count")
        return index

    def _has_disabled_specs(self) -> bool:
        self._indexed()
        return bool(self._disabled_specs)

    def _block_specs(self) -> None:
        """Take out the installed specs that CENOTE_DISABLE_PLUGINS calls by name, which only loading them tells."""
        index, words = self._indexed(), self._disabled_specs
        offers = index.get(ARCHITECTURES, {})
        called = {entry: self._spec_name(entry) for entries in offers.values() for entry in entries}
        out = {entry: name for entry, name in called.items() if name in words and entry not in self._local}
        kept = {name: tuple(entry for entry in entries if entry not in out) for name, entries in offers.items()}
        with self._lock:
            if self._index is not index:  # refreshed meanwhile, or another thread was here
                return
            self._index = {**index, ARCHITECTURES: {name: entries for name, entries in kept.items() if entries}}
            self._blocked += tuple((entry, spec_refusal(out[entry] or "")) for entry in out)
            self._disabled_specs = frozenset()
        self._warn_of(
            "CENOTE_DISABLE_PLUGINS",
            words.difference(called.values()),
            "Names of entry points, of distributions and of specs count",
        )

    def _spec_name(self, entry: Entry) -> str | None:
        try:
            spec = self.load(entry)
        except PluginError:
            return None
        return spec.name if isinstance(spec, ArchitectureSpec) else None

    def _warn_of(self, variable: str, words: Iterable[str], advice: str) -> None:
        for word in sorted(words):
            if (variable, word) not in self._warned:
                self._warned.add((variable, word))
                _log.warning("%s: nothing installed is called %r. %s; see 'cenote plugins'.", variable, word, advice)

    def _installed(self) -> tuple[Entry, ...]:
        if self._given is not None:
            return self._given
        from cenote.registry.scan import installed_entries

        return installed_entries()

    def _import(self, entry: Entry) -> Any:
        if entry.is_object:
            return self._objects[entry.value]
        problem = entry_problem(entry.group, entry.name, entry.value)
        if problem is not None:
            raise ValueError(problem)
        self.trace(f"{entry.group} {entry.name!r} of {entry.source}: importing {entry.value}")
        # The lock is not held: importing may come back here from another thread that holds the import lock.
        return load_object(entry.value)

    def _remember(self, entry: Entry, cause: BaseException) -> None:
        key = (entry.distribution, entry.value.partition(":")[0])
        with self._lock:
            self._failures[entry] = cause
            is_news = key not in self._warned
            self._warned.add(key)
        if is_news:
            _log.warning("%s", broken(entry, cause))

    def _unregister(self, entry: Entry) -> None:
        with self._lock:
            if entry in self._local:
                self._local.remove(entry)
                self._objects.pop(entry.value, None)
                self._index = None


@cache
def default_registry() -> Registry:
    """Return the registry of this process; installed distributions are scanned once, on first use."""
    return Registry()


def _add(index: _Index, entry: Entry) -> None:
    names = index.setdefault(entry.group, {})
    names[entry.name] = (*names.get(entry.name, ()), entry)
