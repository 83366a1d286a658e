"""What the registry knows of a plugin before importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from cenote.registry.points import ARCHITECTURES, FOREIGN, HOOKS, POINTS

__all__ = ["ARCHITECTURES", "BUILT_IN_DISTRIBUTION", "GROUPS", "Entry", "canonical_name", "entry_problem"]

#: The distribution whose entry points are the built-ins.
BUILT_IN_DISTRIBUTION = "cenote"

#: Entry-point groups of cenote and what one entry of each is called in listings.
GROUPS: dict[str, str] = {point.group: point.kind for point in POINTS}

_NAME = re.compile(r"[\w.+&-]+(:[\w.+&-]+)*")
_KERNEL_NAME = re.compile(r"\w+:\w+")
_COMMAND_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_TARGET = re.compile(f"{_DOTTED}:{_DOTTED}")
_MODULE_OR_OBJECT = re.compile(f"{_DOTTED}(:{_DOTTED})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name that a distribution offers in one group.

    Attributes:
        group: entry-point group, a key of `GROUPS`.
        name: what users or checkpoints ask for.
        value: where the object is, as `package.module:attribute`.
        distribution: who offers it.
        version: version of that distribution, or empty where unknown.
        needs: versions of cenote that the distribution's metadata demands, such as `>=0.1,<0.2`; empty is any.
        record: text of the distribution's RECORD, which lists its files, or empty where unknown.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    needs: str = field(default="", compare=False)
    record: str = field(default="", compare=False, repr=False)

    @property
    def is_built_in(self) -> bool:
        """Whether it belongs to cenote itself."""
        return canonical_name(self.distribution) == BUILT_IN_DISTRIBUTION

    @property
    def is_object(self) -> bool:
        """Whether an object was registered in this process, so that `value` only describes it."""
        return self.value.startswith("<")

    @property
    def source(self) -> str:
        """Distribution and version, as error messages show them."""
        return f"{self.distribution} {self.version}".rstrip()


@lru_cache(maxsize=1024)
def canonical_name(distribution: str) -> str:
    """Return a distribution name in the form in which names are compared.

    Source: PEP 503, "Normalized Names".
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def entry_problem(group: str, name: str, value: str | None = None) -> str | None:
    """Say in one sentence why this cannot be an entry of cenote, or return None."""
    if group not in GROUPS and group not in FOREIGN:
        return f"unknown group {group!r}; known groups: {', '.join(GROUPS)}"
    pattern, form = _NAME, "letters, digits and . _ + & -, in parts joined with ':'"
    if group == "cenote.kernels":
        pattern, form = _KERNEL_NAME, "'operator:backend', like 'l2_normalize:cpu'"
    elif group == "cenote.commands":
        pattern, form = _COMMAND_NAME, "lower-case letters, digits, '-' and '_'"
    if not pattern.fullmatch(name):
        return f"the name {name!r} is not allowed in {group}; write {form}"
    return None if value is None else _target_problem(group, value)


def _target_problem(group: str, value: str) -> str | None:
    if group == HOOKS:
        form = "'package.module' or 'package.module:attribute'"
        return None if _MODULE_OR_OBJECT.fullmatch(value) else f"the target {value!r} is not of the form {form}"
    return None if _TARGET.fullmatch(value) else f"the target {value!r} is not of the form 'package.module:attribute'"
