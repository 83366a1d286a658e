"""An engine around the plain model."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _load_plain_model() -> ModuleType:
    """Load the neighbouring file; test folders are no packages."""
    name = "cenote_tests_plain_model"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("plain_model.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The module of the plain model."""
    return _load_plain_model()


@pytest.fixture
def model(plain: ModuleType) -> Iterator[object]:
    """A plain model that blocks nobody after the test."""
    made = plain.PlainModel()
    yield made
    made.release.set()
