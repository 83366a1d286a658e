"""What the operator's file says beside its lists: settings of plugins, and plugins that must work."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest, PluginError, UnknownPlugin
from cenote.registry.candidates import GROUP, Candidate, check_api_version, check_spec
from cenote.registry.entry import Entry
from cenote.registry.loader import check_usable
from cenote.registry.names import nearest
from cenote.registry.patience import PatientLoader
from cenote.registry.points import FOREIGN, point_of, short_name
from cenote.registry.problems import conflict
from cenote.registry.selection import WordList
from cenote.registry.store import Registry, default_registry

__all__ = ["check_required", "plugin_settings"]

if TYPE_CHECKING:
    from cenote.config.plugins import PluginFile

#: Seconds to wait for the module of a plugin that is no spec: it may import torch.
_PATIENCE = 60.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def plugin_settings(name: str, registry: Registry | None = None) -> Mapping[str, Any]:
    """Return what the operator's file says under `[settings."GROUP/NAME"]`, empty where it says nothing.

    Args:
        name: group and name of a plugin, such as `io_processors/pdf-pages` or `hooks/audit`.
        registry: whose file; None is the registry of this process.

    Raises:
        InvalidRequest: the file is missing or wrong.
    """
    file = (default_registry() if registry is None else registry).choice().file
    return _NOTHING if file is None else file.settings.get(name, _NOTHING)


def check_required(registry: Registry | None = None) -> None:
    """Make sure that every plugin works that the operator's file requires, and that its settings are of some plugin.

    What is required is imported and checked.

    A word of `required` is like one of the other lists, and all that it names must work. Adapters are not imported: the
    model that needs one does that.

    Raises:
        UnknownPlugin: nothing installed has the name, or it is disabled.
        PluginIncompatible: it needs another version of cenote.
        PluginConflict: two distributions offer the name.
        PluginError: it cannot be imported, or is not what its group wants.
        InvalidRequest: there are settings for what nothing installed is called.
    """
    registry = default_registry() if registry is None else registry
    file = registry.choice().file
    if file is not None and file.settings:
        _check_settings(registry, file)
    for word in () if file is None else file.required:
        try:
            _check_word(registry, word)
        except PluginError as exc:
            text = f"{word!r} is required by {file.name if file else ''}: {exc}"
            raise type(exc)(text, plugin=exc.plugin, distribution=exc.distribution) from exc


def _check_settings(registry: Registry, file: PluginFile) -> None:
    known = {f"{short_name(found.entry.group)}/{found.entry.name}" for found in registry.rejections()}
    for group in registry.groups():
        # IO processors of other programs have their settings where all of them have.
        word = "io_processors" if group in FOREIGN else short_name(group)
        known |= {f"{word}/{name}" for name in registry.entries(group)}
    for name in file.settings:
        if name not in known:
            text = f"{file.name} has settings for {name!r}, but nothing installed is called so. "
            raise InvalidRequest(f"{text}Installed: {nearest(name, known)}.", param=name)


def _check_word(registry: Registry, word: str) -> None:
    wanted = WordList("required", frozenset({word}))
    registry.entries(GROUP)  # from now on, specs that a deny list calls by their own name are among the rejections
    for rejection in registry.rejections():
        if wanted.names(rejection.entry):
            raise rejection.error()
    found = False
    for group in registry.groups():
        for entries in registry.entries(group).values():
            for entry in entries:
                if wanted.names(entry):
                    found = True
                    _check_entry(registry, entry, entries)
    if not found:
        raise UnknownPlugin("nothing installed is called so. Install it, or take the word out.", plugin=word)


def _check_entry(registry: Registry, entry: Entry, offers: tuple[Entry, ...]) -> None:
    point = point_of(entry.group)
    if point is not None and point.unique and len(offers) > 1:
        raise conflict(f"{entry.group} {entry.name!r}", offers, "Switch one off: --disable-plugins {}")
    if entry.group == GROUP:
        check_api_version(Candidate(PatientLoader(registry).load(entry, check_spec), entry))
    else:
        PatientLoader(registry, _PATIENCE).load(entry, partial(check_usable, entry.group))
