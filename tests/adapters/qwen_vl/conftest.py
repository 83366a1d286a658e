"""Look-alikes of Qwen-VL models, loaded once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cenote.testing.checkpoints import build_checkpoint


def _load_neighbour() -> ModuleType:
    """Load the neighbouring file; test folders are no packages."""
    name = "cenote_tests_tiny_qwen_vl"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("tiny_models.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module of tiny models and requests."""
    return _load_neighbour()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the folder of a look-alike, built once."""
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            built[name] = build_checkpoint(name, tmp_path_factory.mktemp(name))
        return built[name]

    return folder


@pytest.fixture(scope="session", params=["colqwen3", "colqwen3_5", "nemotron_colembed"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a look-alike: with deepstack, without, and with tokens that see later ones."""
    return str(request.param)


@pytest.fixture(scope="session")
def stack(tiny: ModuleType, kind: str, folders: Callable[[str], Path]) -> Any:
    """Return a loaded look-alike."""
    return tiny.load(folders(kind))


@pytest.fixture(scope="session")
def twin(tiny: ModuleType, kind: str, folders: Callable[[str], Path]) -> Any:
    """Return its twin."""
    return tiny.build_twin(folders(kind))
