"""Which installed plugins take part: the operator's lists, by flag, environment variable and file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cenote.registry.entry import Entry, canonical_name
from cenote.registry.points import SHORT_NAMES, short_name

__all__ = ["Selection", "WordList", "split_words"]


@dataclass(frozen=True, slots=True)
class WordList:
    """One list of the operator.

    Attributes:
        source: what messages call it: a flag, a variable, or a key of a file.
        words: each is NAME, DISTRIBUTION, GROUP/NAME or GROUP/*, with GROUP as in `io_processors` or `hooks`.
    """

    source: str
    words: frozenset[str]

    def names(self, entry: Entry, *, whole: bool = True) -> bool:
        """Tell whether a word means this entry.

        Args:
            entry: what is asked about.
            whole: whether words for a distribution and for a complete group count too.
        """
        group = short_name(entry.group)
        if entry.name in self.words or f"{group}/{entry.name}" in self.words:
            return True
        if not whole:
            return False
        distribution = canonical_name(entry.distribution)
        return f"{group}/*" in self.words or any(canonical_name(word) == distribution for word in self.words)


@dataclass(frozen=True, slots=True)
class Selection:
    """All lists of the operator. A plugin takes part if every allow list names it and no deny list does.

    Attributes:
        allow: only what each of these names takes part, and the built-ins.
        deny: what one of these names does not take part, and its code is never imported. A word may also be the name
            of a spec; the registry takes those out, because only loading a spec tells how it is called.
    """

    allow: tuple[WordList, ...] = ()
    deny: tuple[WordList, ...] = ()

    def refusal(self, entry: Entry) -> str | None:
        """Say which list keeps this entry out, or return None where it takes part."""
        for denied in self.deny:
            # cenote cannot be switched off as a whole, nor group by group, only name by name: nothing would run.
            if denied.names(entry, whole=not entry.is_built_in):
                return f"{denied.source} names it"
        if not entry.is_built_in:
            for allowed in self.allow:
                if not allowed.names(entry):
                    return f"{allowed.source} does not name it"
        return None

    def unmatched(self, entries: Iterable[Entry]) -> tuple[tuple[WordList, ...], tuple[WordList, ...]]:
        """Return what of the allow and of the deny lists names no entry point, distribution or group."""
        known = {f"{group}/*" for group in SHORT_NAMES}
        distributions = set()
        for entry in entries:
            known |= {entry.name, f"{short_name(entry.group)}/{entry.name}"}
            distributions.add(canonical_name(entry.distribution))
        allow, deny = (
            tuple(
                WordList(one.source, frozenset(w for w in one.words - known if canonical_name(w) not in distributions))
                for one in lists
            )
            for lists in (self.allow, self.deny)
        )
        return allow, deny


def split_words(text: str) -> frozenset[str]:
    """Return the words of a list that is separated by commas; blanks around them do not count."""
    return frozenset(word for part in text.split(",") if (word := part.strip()))
