"""Which installed plugins take part: CENOTE_PLUGINS, CENOTE_DISABLE_PLUGINS and CENOTE_TRACE_PLUGINS."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cenote.registry.entry import BUILT_IN_DISTRIBUTION, Entry, canonical_name

__all__ = ["Selection", "spec_refusal", "trace"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The operator's choice of plugins. Each listed word is an entry-point name or a distribution name.

    Attributes:
        allowed: only these and the built-ins take part; None is no limit.
        disabled: these do not take part, and their code is never imported. A word may also be the name of a spec;
            the registry takes those out, because only loading a spec tells how it is called.
    """

    allowed: frozenset[str] | None = None
    disabled: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Selection:
        """Read the two variables; blanks around names do not count."""
        allowed = environment.get("CENOTE_PLUGINS")
        disabled = environment.get("CENOTE_DISABLE_PLUGINS", "")
        return cls(None if allowed is None else _words(allowed), _words(disabled))

    def refusal(self, entry: Entry) -> str | None:
        """Say which variable keeps this entry out, or return None where it takes part."""
        is_built_in = canonical_name(entry.distribution) == BUILT_IN_DISTRIBUTION
        # The built-in distribution cannot be switched off as a whole, only name by name: nothing would run.
        if entry.name in self.disabled or (not is_built_in and _names(entry, self.disabled)):
            return "CENOTE_DISABLE_PLUGINS names it"
        if self.allowed is not None and not is_built_in and not _names(entry, self.allowed):
            return "CENOTE_PLUGINS does not name it"
        return None

    def unmatched(self, entries: Iterable[Entry]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the words of `allowed` and of `disabled` that name no entry point and no distribution."""
        known = list(entries)
        names = {entry.name for entry in known}
        distributions = {canonical_name(entry.distribution) for entry in known}
        allowed, disabled = (
            frozenset(word for word in words if word not in names and canonical_name(word) not in distributions)
            for words in (self.allowed or (), self.disabled)
        )
        return allowed, disabled


def spec_refusal(name: str) -> str:
    """Say that a spec is disabled by its own name."""
    return f"CENOTE_DISABLE_PLUGINS names its spec {name!r}"


def trace(environment: Mapping[str, str], message: str) -> None:
    """Print one decision to standard error when CENOTE_TRACE_PLUGINS is 1."""
    if environment.get("CENOTE_TRACE_PLUGINS") == "1":
        print(f"cenote plugins: {message}", file=sys.stderr)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for part in text.split(",") if (word := part.strip()))


def _names(entry: Entry, words: frozenset[str]) -> bool:
    distribution = canonical_name(entry.distribution)
    return entry.name in words or any(canonical_name(word) == distribution for word in words)
