"""A short text by which the processes of one deployment can be compared."""

from __future__ import annotations

import hashlib
import json

from cenote.registry.entry import canonical_name
from cenote.registry.store import Registry, default_registry

__all__ = ["fingerprint"]


def fingerprint(registry: Registry | None = None) -> str:
    """Return 16 hexadecimal digits that are equal where the same installed distributions take part.

    They are the start of a SHA-256 of name, version and hash of the files of every distribution with an entry that
    takes part, cenote included. The hash is that of its RECORD, less what differs from one installation to the next.
    An editable installation lists no modules there, so that changes of its code do not show. What the running program
    registered does not count, and neither does what is disabled or incompatible.

    Args:
        registry: what to describe; None is the registry of this process.
    """
    entries = (default_registry() if registry is None else registry).taking_part()
    parts = sorted({(canonical_name(entry.distribution), entry.version, entry.record) for entry in entries})
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
