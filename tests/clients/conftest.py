"""One live server and the numbers of the offline API, for every client that is installed here."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    live_plan = runpy.run_path(str(ROOT / "scripts" / "client_plan.py"))["live_plan"]
    with live_plan(tmp_path_factory.mktemp("clients")) as path:
        yield path
