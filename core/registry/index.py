"""Sorting what is installed into what takes part and what does not, by metadata alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cenote.registry.entry import Entry, entry_problem
from cenote.registry.points import point_of
from cenote.registry.selection import Selection, WordList
from cenote.registry.states import DISABLED, FAILED, INCOMPATIBLE, Rejection
from cenote.registry.versions import find_mismatch, incompatible

__all__ = ["TAKEN", "Index", "Offers", "build_index", "disabled"]

#: Per group and name, who offers it.
Offers = dict[str, dict[str, tuple[Entry, ...]]]

#: Why a plugin does not get the name of a built-in.
TAKEN = "the name belongs to a built-in, which a plugin may not replace"


@dataclass(frozen=True, slots=True)
class Index:
    """What is installed.

    Attributes:
        offers: what takes part.
        rejections: what does not.
        unknown_allowed: words of allow lists that name nothing.
        unknown_denied: words of deny lists that name nothing, unless they are names of specs.
    """

    offers: Offers
    rejections: tuple[Rejection, ...]
    unknown_allowed: tuple[WordList, ...] = ()
    unknown_denied: tuple[WordList, ...] = ()


def build_index(
    installed: Sequence[Entry],
    local: Iterable[Entry],
    selection: Selection,
    running: str,
    note: Callable[[str], None],
) -> Index:
    """Judge every entry.

    Args:
        installed: entries of distributions.
        local: entries that the running program registered; they were checked then, and no list filters them.
        selection: the operator's lists.
        running: version of the running cenote.
        note: called with one line per decision.
    """
    offers: Offers = {}
    rejections = []
    judge = _Judge(installed, selection, running)
    for entry in installed:
        rejection = judge.rejection(entry)
        if rejection is None:
            note(f"{entry.group} {entry.name!r} of {entry.source}: found")
            _add(offers, entry)
        else:
            note(f"{entry.group} {entry.name!r} of {entry.source}: left out, {rejection.detail}")
            rejections.append(rejection)
    for entry in local:
        _add(offers, entry)
    return Index(offers, tuple(rejections), *selection.unmatched(installed))


def disabled(entry: Entry, detail: str, spec_name: str = "") -> Rejection:
    """Return the rejection of what a list of the operator keeps out."""
    return Rejection(entry, DISABLED, detail, "disabled by the operator", spec_name)


class _Judge:
    """Says which entries do not take part; what is known of a whole distribution is worked out once."""

    def __init__(self, installed: Sequence[Entry], selection: Selection, running: str) -> None:
        self._selection = selection
        self._running = running
        self._built_in = {(entry.group, entry.name) for entry in installed if entry.is_built_in}

    def rejection(self, entry: Entry) -> Rejection | None:
        """Return why an installed entry does not take part, or None."""
        refusal = self._selection.refusal(entry)
        if refusal is not None:
            return disabled(entry, refusal)
        problem = entry_problem(entry.group, entry.name, entry.value)
        if problem is not None:
            return Rejection(entry, FAILED, problem, problem)
        if entry.is_built_in:
            return None
        return self._version_rejection(entry) or self._claim_rejection(entry)

    def _version_rejection(self, entry: Entry) -> Rejection | None:
        try:
            mismatch = find_mismatch(entry.needs, self._running)
        except ValueError as exc:
            detail = f"its metadata demand a cenote that cannot be compared: {exc}"
            return Rejection(entry, FAILED, detail, detail)
        if mismatch is None:
            return None
        return Rejection(entry, INCOMPATIBLE, str(incompatible(entry, mismatch)), str(mismatch))

    def _claim_rejection(self, entry: Entry) -> Rejection | None:
        point = point_of(entry.group)
        if point is None or not point.unique or (entry.group, entry.name) not in self._built_in:
            return None
        return Rejection(entry, FAILED, TAKEN, TAKEN)


def _add(offers: Offers, entry: Entry) -> None:
    names = offers.setdefault(entry.group, {})
    names[entry.name] = (*names.get(entry.name, ()), entry)
