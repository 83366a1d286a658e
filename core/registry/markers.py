"""Markers: facts of a checkpoint that tell apart the specs of one architecture string."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from cenote.registry.spec import CheckpointFacts

__all__ = ["check_marker", "marker_holds", "model_name", "true_part"]

#: Stands between alternatives, as in `module:pylate.*|settings:similarity_fn_name=MaxSim`.
_OR = "|"
#: A folder of the hub's cache, whose own last part is only a commit.
_HUB_CACHE = re.compile(r"models--.+--(?P<name>[^/]+)/snapshots/[^/]+$")


def check_marker(marker: str) -> None:
    """Raise ValueError unless the marker has a known kind and form; of alternatives, each of them."""
    for part in marker.split(_OR):
        _check_one(part)


def _check_one(marker: str) -> None:
    kind, _, rest = marker.partition(":")
    if kind not in _KINDS or not rest or (kind in ("config", "settings") and not all(rest.partition("="))):
        raise ValueError(
            f"marker {marker!r} is not one of file:NAME, config:dotted.key=value, settings:dotted.key=value, "
            "tensor:NAME, module:GLOB, name:GLOB"
        )
    if (kind, rest) == ("file", "config.json"):  # where the architecture strings come from
        raise ValueError(f"marker {marker!r} tells nothing apart: it holds of every checkpoint")


def marker_holds(marker: str, facts: CheckpointFacts) -> bool:
    """Tell whether a well-formed marker, or one of its alternatives, is true of a checkpoint."""
    return bool(true_part(marker, facts))


def true_part(marker: str, facts: CheckpointFacts) -> str:
    """Return the first alternative of a well-formed marker that is true of a checkpoint, or nothing."""
    parts = ((part, *part.partition(":")) for part in marker.split(_OR))
    return next((part for part, kind, _, rest in parts if _KINDS[kind](rest, facts)), "")


def model_name(given: str) -> str:
    """Return the last part of a hub id or of a path; of a folder of the hub's cache, the name in the hub id."""
    path = given.replace("\\", "/").rstrip("/")
    cached = _HUB_CACHE.search(path)
    return cached["name"] if cached else path.rpartition("/")[2]


def _equals(text: str, find: Callable[[str], Any]) -> bool:
    key, _, wanted = text.partition("=")
    found = find(key)
    # Strings compare as they are, everything else in the spelling that JSON uses for it: true, 1, null.
    return wanted == (found if isinstance(found, str) else json.dumps(found))


_KINDS: dict[str, Callable[[str, CheckpointFacts], bool]] = {
    "file": lambda name, facts: facts.has_file(name),
    "config": lambda text, facts: _equals(text, facts.config_value),
    "settings": lambda text, facts: _equals(text, facts.settings_value),
    "tensor": lambda name, facts: facts.has_tensor(name),
    "module": lambda glob, facts: any(fnmatchcase(name, glob) for name in facts.module_types()),
    "name": lambda glob, facts: fnmatchcase(model_name(facts.name).lower(), glob.lower()),
}
