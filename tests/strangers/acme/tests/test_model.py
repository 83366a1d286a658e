"""Acme's model, its way to pool and its kernel do what everything of their kind must."""

from __future__ import annotations

from pathlib import Path

import pytest
from cenote_acme.lookalike import write_checkpoint

from cenote.testing.adapter import AdapterConformance
from cenote.testing.kernels import KernelConformance
from cenote.testing.poolers import PoolerConformance


class TestModel(AdapterConformance):
    tasks = ("embed", "token_embed", "acme_strength")
    pooling = "ACME_PEAK"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_checkpoint(tmp_path_factory.mktemp("acme"))


class TestPeak(PoolerConformance):
    method = "ACME_PEAK"


class TestKernel(KernelConformance):
    operator = "l2_normalize"
    backend = "acme"
