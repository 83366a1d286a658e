"""What the registry reads of a distribution's metadata files, without importing a parser of mail."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cenote.registry.entry import BUILT_IN_DISTRIBUTION, canonical_name

__all__ = ["Header", "needed_range", "read_header"]

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(\[[^\]]*\])?\s*\(?(?P<range>[^;@)]*)\)?\s*(;\s*(?P<marker>.+))?")
#: The marker of almost every optional dependency, which is read without importing packaging (20 ms).
_ONLY_EXTRA = re.compile(r"""extra\s*==\s*(["'])[\w.-]+\1""")


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of METADATA that matter here.

    Attributes:
        name: of the distribution; `unknown` where the file does not say.
        version: of the distribution, or empty.
        needs: versions of cenote that it demands, such as `>=0.1,<0.2`; empty is any.
    """

    name: str = "unknown"
    version: str = ""
    needs: str = ""

    @property
    def source(self) -> str:
        """Name and version, as messages show them."""
        return f"{self.name} {self.version}".rstrip()


def read_header(text: str | None) -> Header:
    """Read the text of METADATA or PKG-INFO up to the first empty line; None is a missing file.

    Source: core metadata specifications of the Python Packaging Authority, fields Name, Version and Requires-Dist.
    """
    fields: dict[str, list[str]] = {"name": [], "version": [], "requires-dist": []}
    for line in (text or "").lstrip("\ufeff").splitlines():
        if not line.strip():
            break
        field, colon, value = line.partition(":")
        if colon and field.lower() in fields:
            fields[field.lower()].append(value.strip())
    names, versions = fields["name"], fields["version"]
    needs = needed_range(fields["requires-dist"])
    return Header(names[0] if names else "unknown", versions[0] if versions else "", needs)


def needed_range(requirements: Iterable[str]) -> str:
    """Return the versions of cenote that requirements demand, those of several lines joined by commas.

    Optional requirements do not count, nor those whose marker does not hold here, nor addresses.
    """
    found = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None or canonical_name(match["name"]) != BUILT_IN_DISTRIBUTION:
            continue
        if match["range"].strip() and (match["marker"] is None or _holds(match["marker"])):
            found.append("".join(match["range"].split()))
    return ",".join(found)


def _holds(marker: str) -> bool:
    if _ONLY_EXTRA.fullmatch(marker.strip()):
        return False
    from packaging.markers import Marker  # needed by few plugins, and slow to import

    return Marker(marker).evaluate({"extra": ""})
