"""Plugins with hooks, as modules of their own that entry points name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from cenote.registry import Entry, Registry

WritePlugin = Callable[..., Entry]

_numbers = itertools.count()


@pytest.fixture
def write_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WritePlugin:
    """Write a module, and return the entry of a distribution that names it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, code: str, version: str = "1.0") -> Entry:
        module = f"hooks_of_a_test_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(f"from cenote.hooks import hookimpl\n{code}")
        return Entry("cenote", name, module, f"cenote-{name}", version)

    return write


@pytest.fixture
def registry_of() -> Callable[..., Registry]:
    """Make a registry in which only these entries are installed."""

    def make(*entries: Entry, **environment: str) -> Registry:
        return Registry(entries, environment=environment)

    return make
