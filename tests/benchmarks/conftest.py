"""The harness of benchmarks, which is no installed package, as its scripts see it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2] / "benchmarks"

# At the end: nothing in that folder may stand in for another module.
sys.path.append(str(HOME))


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder of the benchmarks."""
    return HOME
