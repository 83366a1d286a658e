"""Which code and sizes each section of a run comes from, so that one page holds no figures of different ones."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.sections import FULL, Sizes

__all__ = ["CHANGED", "Mixed", "about", "check_published", "commit_of", "described"]

#: What a run writes itself, or that no measurement reads.
_WRITTEN = (":!docs", ":!changelog", ":!benchmarks/results.json", ":!benchmarks/baseline.json")
_UNKNOWN = "unknown"
#: Ends the name of a commit that measured files differ from.
CHANGED = "+changes"


class Mixed(ValueError):
    """Sections of one run do not belong together, or are not meant to be published."""


def commit_of(root: Path) -> str:
    """Return the commit of a checkout, with `+changes` where files that are measured differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN)
        return git("rev-parse", "--short=12", "HEAD").strip() + (CHANGED if changed else "")
    except (OSError, subprocess.CalledProcessError):  # no checkout, or no git
        return _UNKNOWN


def about(commit: str, sizes: Sizes, began: datetime.datetime) -> dict[str, Any]:
    """Return what a section is stored with: the commit, the sizes, and when it began."""
    return {"commit": commit, "sizes": _plain(sizes), "began": began.isoformat(timespec="seconds")}


def check_published(run: Mapping[str, Any]) -> None:
    """Let a run be published whose sections all have full sizes and come from one commit.

    Raises:
        Mixed: they do not, or do not say so.
    """
    of = {name: section.get("about", {}) for name, section in run["sections"].items()}
    if small := [name for name, facts in of.items() if facts.get("sizes") != _plain(FULL)]:
        raise Mixed(f"Not of full size, and not published: {', '.join(small)}.")
    if len(commits := {facts["commit"] for facts in of.values()}) > 1:
        raise Mixed(f"Sections come from different commits, and are not published: {', '.join(sorted(commits))}.")


def described(run: Mapping[str, Any]) -> str:
    """Return the commit of a run's sections in words for the page."""
    commits = sorted({section.get("about", {}).get("commit", _UNKNOWN) for section in run["sections"].values()})
    return f"commit {' and '.join(commits)}"


def _plain(sizes: Sizes) -> dict[str, Any]:
    """Return sizes as JSON gives them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(sizes).items()}
