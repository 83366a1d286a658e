"""Run by test_triton.py: what the engine calls where tensors are said to be on an NVIDIA GPU.

They lie on the CPU, and Triton interprets the kernels; all else, from the choice of a kernel to the arguments that a
model's layers pass to it, is as it is on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cenote import LLM
from cenote.kernels import Kernel, devices, dispatch
from cenote.registry import Registry
from cenote.scoring import maxsim
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close

TEXTS = ("How deep is the well?", "a pit", "The water stands four metres below the rim of the shaft.")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Say that every tensor is on a GPU; give the names of the kernels that are called."""
    names: set[str] = set()
    load = dispatch.load_kernel

    def noted(registry: Registry, name: str) -> Kernel:
        kernel = load(registry, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            names.add(name)
            return kernel(*args, **kwargs)

        return call

    monkeypatch.delenv("CENOTE_KERNELS", raising=False)
    monkeypatch.setattr(devices, "device_type_of", lambda tensor: "cuda")
    monkeypatch.setattr(dispatch, "load_kernel", noted)
    dispatch._select.cache_clear()
    yield names
    dispatch._select.cache_clear()


def run(folder: str, task: str) -> list[Tensor]:
    """Load a model and return its results for the texts."""
    with LLM(folder, dtype="float32", pooler_config={"seq_pooling_type": "MEAN"}) as llm:
        outputs = llm.encode(list(TEXTS), pooling_task=task, use_tqdm=False)  # type: ignore[arg-type]
        for output in outputs:
            assert output.error is None, output.error
        return [torch.as_tensor(output.outputs.data) for output in outputs]


#: What the look-alikes have less of here: one layer calls all that several do, and an interpreted one takes seconds.
SMALLER = {"qwen3": {"num_hidden_layers": 1}, "bge_m3_triple": {"num_hidden_layers": 1, "num_attention_heads": 2}}


@pytest.fixture
def expected(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[Tensor]]:
    """The folder of a look-alike, and what the CPU's kernels give; to be asked for before `called`."""
    name, task = request.param
    folder = str(build_checkpoint(name, tmp_path, config=SMALLER[name]))
    return folder, run(folder, task)


LAYERS = {"varlen_attention", "residual_norm"}
#: A decoder, with rotated heads and a gate, and an encoder whose norms come last.
CASES: Sequence[tuple[str, str, set[str]]] = [
    ("qwen3", "embed", {*LAYERS, "bias_act", "rotary", "segment_pool", "l2_normalize"}),
    ("bge_m3_triple", "sparse_embed", {*LAYERS, "bias_act", "term_max"}),
]


@pytest.mark.parametrize(
    ("expected", "task", "operators"),
    [((name, task), task, operators) for name, task, operators in CASES],
    indirect=["expected"],
    ids=[name for name, *_ in CASES],
)
def test_the_engine_calls_the_kernels_for_gpus(
    expected: tuple[str, list[Tensor]], called: set[str], task: str, operators: set[str]
) -> None:
    folder, wanted = expected
    found = run(folder, task)
    assert {f"{operator}:triton" for operator in operators} <= called
    assert {name for name in called if not name.endswith(":triton")} <= {"linear:cpu"}  # torch's product on a GPU
    for one, other in zip(found, wanted, strict=True):
        assert_close(one.to_dense(), other.to_dense(), tolerance=2e-5)


def test_scores_of_arrays_on_gpus_are_computed_there(called: set[str]) -> None:
    generator = np.random.default_rng(0)
    query, documents = (torch.from_numpy(generator.random((count, 20), dtype=np.float32)) for count in (5, 33))
    found = maxsim(query, documents, [20, 1, 12])
    assert called == {"maxsim:triton"}
    wanted = torch.stack([(part @ query.T).amax(0).sum() for part in documents.split([20, 1, 12])])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
