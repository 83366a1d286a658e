"""A short text by which the processes of one deployment can be compared."""

from __future__ import annotations

import hashlib
import json
import re

from cenote.registry.entry import canonical_name
from cenote.registry.store import Registry, default_registry

__all__ = ["fingerprint", "record_hash"]

#: Files of a distribution that the installer writes for itself, not the author.
_INSTALLERS_OWN = re.compile(r"[^/]*\.dist-info/(INSTALLER|REQUESTED|RECORD|direct_url\.json|uv_cache\.json)")


def fingerprint(registry: Registry | None = None) -> str:
    """Return 16 hexadecimal digits that are equal where the same installed plugins take part.

    They are the start of a SHA-256 of group and name of every entry that takes part, and of name, version and hash of
    the files of its distribution, cenote included. The hash is that of RECORD, less what differs from one installation
    to the next.
    An editable installation lists no modules there, so that changes of its code do not show. What the running program
    registered does not count, and neither does what is disabled or incompatible.

    Args:
        registry: what to describe; None is the registry of this process.
    """
    entries = (default_registry() if registry is None else registry).taking_part()
    texts = {(canonical_name(entry.distribution), entry.version): entry.record for entry in entries}
    hashes = {owner: record_hash(text) for owner, text in texts.items()}
    owners = [(entry, (canonical_name(entry.distribution), entry.version)) for entry in entries]
    parts = sorted((entry.group, entry.name, entry.value, *owner, hashes[owner]) for entry, owner in owners)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def record_hash(text: str) -> str:
    """Return a hash of what RECORD says of the files that came with the wheel; empty without that file.

    Left out is what differs between two installations of one wheel: compiled modules, which have no hash there, scripts
    outside of the package folder, whose first line is a path, and notes of the installer.
    """
    if not text:
        return ""
    lines = [line for line in text.splitlines() if ",sha" in line and not line.startswith(("..", "/"))]
    kept = sorted(line for line in lines if not _INSTALLERS_OWN.fullmatch(line.partition(",")[0]))
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()
