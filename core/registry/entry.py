"""What the registry knows of a plugin before importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "BUILT_IN_DISTRIBUTION", "GROUPS", "Entry", "canonical_name", "entry_problem"]

#: The distribution whose entry points are the built-ins.
BUILT_IN_DISTRIBUTION = "cenote"

#: The group of specs.
ARCHITECTURES = "cenote.architectures"

#: Entry-point groups and what one entry of each is called in listings.
GROUPS: dict[str, str] = {
    ARCHITECTURES: "architecture",
    "cenote.convert_rules": "convert rule",
    "cenote.poolers": "pooler",
    "cenote.tasks": "task",
    "cenote.scorers": "scorer",
    "cenote.output_codecs": "output codec",
    "cenote.media_loaders": "media loader",
    "cenote.kernels": "kernel",
    "cenote.io_processors": "io processor",
    "cenote.commands": "command",
    "cenote.routes": "routes",
}

_NAME = re.compile(r"[\w.+&-]+(:[\w.+&-]+)*")
_KERNEL_NAME = re.compile(r"\w+:\w+")
_COMMAND_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name that a distribution offers in one group.

    Attributes:
        group: entry-point group, a key of `GROUPS`.
        name: what users or checkpoints ask for.
        value: where the object is, as `package.module:attribute`.
        distribution: who offers it.
        version: version of that distribution, or empty where unknown.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def is_object(self) -> bool:
        """Whether an object was registered in this process, so that `value` only describes it."""
        return self.value.startswith("<")

    @property
    def source(self) -> str:
        """Distribution and version, as error messages show them."""
        return f"{self.distribution} {self.version}".rstrip()


def canonical_name(distribution: str) -> str:
    """Return a distribution name in the form in which names are compared.

    Source: PEP 503, "Normalized Names".
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def entry_problem(group: str, name: str, value: str | None = None) -> str | None:
    """Say in one sentence why this cannot be an entry of cenote, or return None."""
    if group not in GROUPS:
        return f"unknown group {group!r}; known groups: {', '.join(GROUPS)}"
    pattern, form = _NAME, "letters, digits and . _ + & -, in parts joined with ':'"
    if group == "cenote.kernels":
        pattern, form = _KERNEL_NAME, "'operator:backend', like 'l2_normalize:cpu'"
    elif group == "cenote.commands":
        pattern, form = _COMMAND_NAME, "lower-case letters, digits, '-' and '_'"
    if not pattern.fullmatch(name):
        return f"the name {name!r} is not allowed in {group}; write {form}"
    if value is not None and not _TARGET.fullmatch(value):
        return f"the target {value!r} is not of the form 'package.module:attribute'"
    return None
