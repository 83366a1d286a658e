"""The registry: names of every group, and the objects behind them when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any

from cenote.errors import PluginError, UnknownPlugin
from cenote.registry.catalog import Catalog
from cenote.registry.choice import Choice, Flags
from cenote.registry.entry import ARCHITECTURES, Entry, entry_problem
from cenote.registry.index import TAKEN
from cenote.registry.loader import Loader
from cenote.registry.names import nearest
from cenote.registry.patience import PatientLoader
from cenote.registry.points import point_of
from cenote.registry.problems import conflict
from cenote.registry.record import LoadRecord
from cenote.registry.states import Rejection

__all__ = ["Registry", "default_registry"]


class Registry:
    """Finds plugins by group and name. Safe to use from several threads.

    Args:
        entries: what is installed; None scans the installed distributions on first use.
        environment: where the CENOTE_* variables are read from; None is the process environment, read at each scan.
        running: version of cenote with which plugins' demands are compared; None is the installed one.
    """

    def __init__(
        self,
        entries: Iterable[Entry] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        running: str | None = None,
    ) -> None:
        self._catalog = Catalog(entries, environment, running)
        self._loader = Loader(self._catalog.trace)
        self._recordings: tuple[list[object], ...] = ()

    @property
    def record(self) -> LoadRecord:
        """What was imported, and what that raised."""
        return self._loader.record

    @property
    def generation(self) -> int:
        """A number that changes with what takes part, for those who keep what they found."""
        return self._catalog.generation

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of a group that take part, sorted."""
        return tuple(sorted(self.entries(group)))

    def entries(self, group: str) -> Mapping[str, tuple[Entry, ...]]:
        """Return a read-only view of what takes part in a group: each name and who offers it.

        Imports nothing, unless it is the group of specs and a deny list has a word that may be a spec's.
        """
        return MappingProxyType(self._catalog.offers(group, PatientLoader(self._loader).load))

    def groups(self) -> tuple[str, ...]:
        """Return the groups that anything installed names, unknown ones included."""
        index = self._catalog.index()
        return tuple(sorted({*index.offers, *(rejection.entry.group for rejection in index.rejections)}))

    def rejections(self, group: str | None = None, name: str | None = None) -> tuple[Rejection, ...]:
        """Return what does not take part, known without importing it; of one group, or of one name of it, if given.

        Specs that a deny list calls by their own name are among them once specs were looked at.
        """
        return tuple(
            rejection
            for rejection in self._catalog.index().rejections
            if group in (None, rejection.entry.group) and name in (None, rejection.entry.name)
        )

    def taking_part(self) -> tuple[Entry, ...]:
        """Return what takes part of installed distributions, without what the program registered."""
        self.entries(ARCHITECTURES)
        offers = self._catalog.index().offers
        found = (entry for names in offers.values() for entries in names.values() for entry in entries)
        return tuple(entry for entry in found if not self._catalog.is_local(entry))

    def get(self, group: str, name: str) -> Any:
        """Load the one object of this name. It is checked as its extension point says (`cenote.registry.points`).

        Raises:
            UnknownPlugin: nothing installed and enabled has the name.
            PluginConflict: two distributions offer the name.
            PluginIncompatible: it needs another version of cenote.
            PluginError: the plugin cannot be imported, is not what its group wants, or claims what is not its own.
        """
        offers = self.entries(group).get(name, ())
        if len(offers) > 1:
            raise conflict(f"{group} {name!r}", offers, "Switch one off: CENOTE_DISABLE_PLUGINS={}")
        if not offers:
            raise self.unknown(group, name)
        return self._loader.load_checked(offers[0])

    def load(self, entry: Entry, check: Callable[[Any], None] | None = None) -> Any:
        """Import what an entry names. A plugin that fails is warned about once and raises each time.

        Args:
            entry: one of `entries`.
            check: called with the object; whatever it raises makes the plugin count as broken.

        Raises:
            PluginError: the entry is malformed, its import raises, or the check does.
        """
        return self._loader.load(entry, check)

    def register(
        self, group: str, name: str, target: object, *, distribution: str = "in-process", version: str = ""
    ) -> Callable[[], None]:
        """Offer a plugin from the running program; the operator's lists do not filter it.

        Args:
            group: an entry-point group.
            name: what users will ask for.
            target: `package.module:attribute`, imported when asked for, or the object itself.
            distribution: shown in listings and errors, and accepted where users choose by distribution.
            version: shown beside it.

        Returns:
            A function that takes the registration back; calling it again does nothing.

        Raises:
            PluginError: group, name or target is malformed, or the name is a built-in's.
        """
        path = target if isinstance(target, str) else None
        problem = entry_problem(group, name, path) or self._claim_problem(group, name)
        if problem is not None:
            raise PluginError(f"Cannot register {name!r}: {problem}.", plugin=name, distribution=distribution)
        entry = Entry(group, name, path or self._loader.add_object(target), distribution, version)
        self._catalog.add(entry)
        return lambda: self._unregister(entry)

    def restrict(
        self, *, plugins: str | None = None, disable_plugins: str | None = None, plugin_config: str | None = None
    ) -> None:
        """Apply the flags of the command line, which count beside the variables of the environment.

        Args:
            plugins: only what these words name takes part, separated by commas; empty leaves the built-ins.
            disable_plugins: what these words name does not take part.
            plugin_config: path of a TOML file, read in place of the one that CENOTE_PLUGIN_CONFIG names.

        Raises:
            InvalidRequest: the file is missing or wrong.
        """
        self._catalog.restrict(Flags(plugins, disable_plugins, plugin_config))

    def choice(self) -> Choice:
        """Return what the operator chose, by flags, variables and file.

        Raises:
            InvalidRequest: the file is missing or wrong.
        """
        return self._catalog.choice()

    def refresh(self) -> None:
        """Look again at what is installed and what the operator chose, and forget failures. Registrations stay."""
        self._catalog.refresh()
        self._loader.forget()

    def trace(self, decision: object) -> None:
        """Print a decision to standard error when CENOTE_TRACE_PLUGINS is 1, and keep it for those who record."""
        for kept in self._recordings:
            kept.append(decision)
        self._catalog.trace(str(decision))

    @contextmanager
    def recording(self) -> Iterator[list[object]]:
        """Collect what is traced until the block ends, by any thread, to explain it."""
        kept: list[object] = []
        self._recordings = (*self._recordings, kept)
        try:
            yield kept
        finally:
            self._recordings = tuple(other for other in self._recordings if other is not kept)

    def warn(self, entry: Entry, error: PluginError) -> None:
        """Log, once per distribution and module, why a plugin is passed over where others are not."""
        self._loader.warn(entry, error)

    def unknown(self, group: str, name: str) -> PluginError:
        """Build the error for a name that a group does not have, without importing anything."""
        for rejection in self.rejections(group, name):
            return rejection.error()
        return UnknownPlugin(f"No {group} {name!r}. Installed: {nearest(name, self.entries(group))}.", plugin=name)

    def _claim_problem(self, group: str, name: str) -> str | None:
        point = point_of(group)
        offers = self.entries(group).get(name, ()) if point is not None and point.unique else ()
        return TAKEN if any(entry.is_built_in for entry in offers) else None

    def _unregister(self, entry: Entry) -> None:
        if self._catalog.remove(entry):
            self._loader.drop(entry)


@cache
def default_registry() -> Registry:
    """Return the registry of this process; installed distributions are scanned once, on first use."""
    return Registry()
