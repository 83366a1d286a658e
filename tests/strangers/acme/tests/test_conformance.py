"""Acme's model does what every adapter must."""

from __future__ import annotations

from pathlib import Path

import pytest
from cenote_acme.lookalike import write_checkpoint

from cenote.testing.adapter import AdapterConformance


class TestAcme(AdapterConformance):
    pooling = "ACME_PEAK"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_checkpoint(tmp_path_factory.mktemp("acme"))
