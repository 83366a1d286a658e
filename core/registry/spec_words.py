"""Words of deny lists that are names of specs, which only loading the specs tells."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from cenote.errors import PluginError
from cenote.registry.entry import ARCHITECTURES, Entry
from cenote.registry.index import Index, Offers, disabled
from cenote.registry.patience import HANGS, ImportHangs
from cenote.registry.points import short_name
from cenote.registry.selection import WordList
from cenote.registry.spec import ArchitectureSpec
from cenote.registry.states import FAILED, Rejection

__all__ = ["block_specs"]

_PREFIX = f"{short_name(ARCHITECTURES)}/"


def block_specs(
    index: Index, load: Callable[[Entry], Any], spared: Collection[Entry]
) -> tuple[Index, tuple[WordList, ...]]:
    """Take out the specs that a deny list calls by their own name.

    Args:
        index: what takes part so far; its `unknown_denied` are the words that may be names of specs.
        load: imports an entry.
        spared: entries that no list filters.

    Returns:
        The index without these specs, and the words that are no spec's name either.
    """
    kept: dict[str, tuple[Entry, ...]] = {}
    rejections: list[Rejection] = []
    used: set[str] = set()
    for name, entries in index.offers.get(ARCHITECTURES, {}).items():
        for entry in entries:
            try:
                called = _spec_name(entry, load)
            except ImportHangs as exc:  # it may be denied: if it ever ends, its name is looked at no more
                rejections.append(Rejection(entry, FAILED, exc.why, HANGS))
                continue
            source = _source(index.unknown_denied, called) if called else None
            used |= {called or "", f"{_PREFIX}{called}"}
            if called and source and entry not in spared:
                rejections.append(disabled(entry, f"{source} names its spec {called!r}", called))
            else:
                kept[name] = (*kept.get(name, ()), entry)
    offers: Offers = {**index.offers, ARCHITECTURES: kept}
    unused = tuple(WordList(one.source, one.words - used) for one in index.unknown_denied)
    return replace(index, offers=offers, rejections=(*index.rejections, *rejections), unknown_denied=()), unused


def _spec_name(entry: Entry, load: Callable[[Entry], Any]) -> str | None:
    try:
        spec = load(entry)
    except ImportHangs:
        raise
    except PluginError:
        return None
    return spec.name if isinstance(spec, ArchitectureSpec) else None


def _source(lists: Collection[WordList], name: str) -> str | None:
    return next((one.source for one in lists if name in one.words or f"{_PREFIX}{name}" in one.words), None)
