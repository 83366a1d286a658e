"""The benchmark for GPUs, run on the processor with tiny inputs, and its answer where there is no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import gpu
import pytest
import torch

from cenote.kernels import OPERATORS
from cenote.kernels.varlen_attention.reference import varlen_attention
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint


def test_without_a_gpu_it_says_so_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cuda:99"]) == gpu.NO_GPU
    printed = capsys.readouterr().out
    assert printed == f"No GPU: torch {torch.__version__} sees no device 'cuda:99'. Nothing was measured.\n"


def test_all_parts_run_on_the_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, file = build_checkpoint("bert", tmp_path / "bert"), tmp_path / "figures.json"
    sizes = ["--tokens", "5", "--most-tokens", "10", "--texts", "3", "--rounds", "1", "--max-tokens", "32"]
    assert gpu.main(["--device", "cpu", *sizes, "--model", str(model), "--json", str(file)]) == 0
    content = json.loads(file.read_text())
    assert {check["operator"]: check["failures"] for check in content["checks"]} == {name: [] for name in OPERATORS}
    assert "padded" in {row["backend"] for row in content["kernels"]["kernels"]}
    assert [run["dtype"] for run in content["models"]] == ["float32", "bfloat16"]
    assert len(content["models"][0]["contestants"]) >= 3
    assert "varlen_attention:padded" not in default_registry().names("cenote.kernels")
    assert "Ceilings: memory" in capsys.readouterr().out


def test_a_kernel_that_differs_is_named_with_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    undo = gpu.offer("l2_normalize:wrong", lambda rows: rows.float() * 2, "cpu")
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:wrong")
    try:
        found = gpu.check("l2_normalize", "cpu", 10)
    finally:
        undo()
    assert any(failure.startswith("7x63, float32, as views: AssertionError: result[out]") for failure in found.failures)
    assert "- l2_normalize, 7x63, float32: " in gpu.laid_out([found])


def test_padded_attention_is_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(12, heads, 8, generator=generator) for heads in (4, 2, 2))
    options = {"lengths": (7, 1, 4), "key_lengths": (7, 1, 4), "scale": 0.3}
    for causal in (False, True):
        found = gpu.padded_attention(query, key, value, causal=causal, **options)
        torch.testing.assert_close(found, varlen_attention(query, key, value, causal=causal, **options))
