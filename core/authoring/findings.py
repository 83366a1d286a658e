"""What a check found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Findings", "Outcome"]

#: `not run`: the check does not apply, or something that it needs is missing.
Outcome: TypeAlias = Literal["passed", "failed", "not run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        distribution: what was checked.
        subject: the entry point, as `group/name` without `cenote.`; empty for the distribution as a whole.
        check: name of the check.
        outcome: how it went.
        text: what was found, and what to do where it failed.
    """

    distribution: str
    subject: str
    check: str
    outcome: Outcome
    text: str


#: What a group of checks gives.
Findings: TypeAlias = Iterator[Finding]
