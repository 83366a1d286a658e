"""Markers: facts of a checkpoint that tell apart the specs of one architecture string."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cenote.registry.spec import CheckpointFacts

__all__ = ["check_marker", "marker_holds"]


def check_marker(marker: str) -> None:
    """Raise ValueError unless the marker has a known kind and form."""
    kind, _, rest = marker.partition(":")
    if kind not in _KINDS or not rest or (kind == "config" and not all(rest.partition("="))):
        raise ValueError(
            f"marker {marker!r} is not one of file:NAME, config:dotted.key=value, tensor:NAME, module:dotted.Class"
        )


def marker_holds(marker: str, facts: CheckpointFacts) -> bool:
    """Tell whether a well-formed marker is true of a checkpoint."""
    kind, _, rest = marker.partition(":")
    return _KINDS[kind](rest, facts)


def _config_holds(text: str, facts: CheckpointFacts) -> bool:
    key, _, wanted = text.partition("=")
    found: Any = facts.config_value(key)
    # Strings compare as they are, everything else in the spelling that config.json uses for it: true, 1, null.
    return wanted == (found if isinstance(found, str) else json.dumps(found))


_KINDS: dict[str, Callable[[str, CheckpointFacts], bool]] = {
    "file": lambda name, facts: facts.has_file(name),
    "config": _config_holds,
    "tensor": lambda name, facts: facts.has_tensor(name),
    "module": lambda name, facts: name in facts.module_types(),
}
