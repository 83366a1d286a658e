"""Processors that tests offer from the running program, and models that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cenote.checkpoints import find_default_model
from cenote.registry import default_registry

Offer = Callable[..., str]


@pytest.fixture(scope="module")
def offer() -> Iterator[Offer]:
    """Offer a class under a name until the tests of the module have run."""
    withdrawals: list[Callable[[], None]] = []

    def register(kind: Any, name: str | None = None, group: str = "cenote.io_processors") -> str:
        name = name or kind.__name__.lower()
        take_back = default_registry().register(group, name, kind, distribution="acme", version="1.0")
        withdrawals.append(take_back)
        return name

    yield register
    for take_back in withdrawals:
        take_back()


@pytest.fixture(scope="session")
def source() -> str:
    """The folder of the real all-MiniLM-L6-v2."""
    return find_default_model().source
