"""The states of a plugin, and why one does not take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cenote.errors import PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry.entry import Entry

__all__ = ["ACTIVE", "DISABLED", "DISCOVERED", "FAILED", "INCOMPATIBLE", "USABLE", "Rejection", "State"]

#: Found, and takes part; its code was not needed yet.
DISCOVERED: Final = "discovered"
#: Its code was imported in this process without fault; of a spec, its adapter.
ACTIVE: Final = "active"
#: A list of the operator keeps it out; its code is never imported.
DISABLED: Final = "disabled"
#: Made for another cenote than the running one; its code is never imported.
INCOMPATIBLE: Final = "incompatible"
#: It is malformed, claims what is not its own, or its code raised when it was imported.
FAILED: Final = "failed"

#: One of these states.
State: TypeAlias = Literal["discovered", "active", "disabled", "incompatible", "failed"]
#: The states of a plugin that takes part.
USABLE: Final[frozenset[State]] = frozenset({DISCOVERED, ACTIVE})


@dataclass(frozen=True, slots=True)
class Rejection:
    """An entry that does not take part, known without importing it.

    Attributes:
        entry: what it is about.
        state: `disabled`, `incompatible` or `failed`.
        detail: why, for the operator.
        reason: why, for anybody: without paths and names of the operator's files.
        spec_name: name of the spec, where that was looked up.
    """

    entry: Entry
    state: State
    detail: str
    reason: str
    spec_name: str = ""

    def error(self) -> PluginError:
        """Build the error for somebody who asks for it."""
        entry, text = self.entry, self.detail
        kind = {DISABLED: UnknownPlugin, INCOMPATIBLE: PluginIncompatible}.get(self.state, PluginError)
        if self.state == DISABLED:
            text = f"{entry.group} {entry.name!r} of {entry.source} is disabled: {self.detail}."
        elif self.state == FAILED:
            text = f"Plugin {entry.name!r} ({entry.group}) of {entry.source} cannot be used: {self.detail}."
        return kind(text, plugin=entry.name, distribution=entry.distribution)
