"""What a plugin offers at the seams of pooling is checked, and serves like what the core brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote import LLM
from cenote.errors import UnknownPlugin
from cenote.kernels import get_kernel
from cenote.kernels.base import check_kernel
from cenote.poolers.methods import check_method
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close

Register = Callable[..., None]


def middle(hidden: Tensor, lengths: Any, skips: Any) -> Tensor:
    """Take the row in the middle of each sequence."""
    del skips
    return torch.stack([part[len(part) // 2] for part in hidden.split(list(lengths))]).float()


def absolute(rows: Tensor) -> Tensor:
    """Take absolute values."""
    return rows.abs()


@pytest.fixture
def register() -> Iterator[Register]:
    """Offer plugins for one test."""
    undo: list[Callable[[], None]] = []
    yield lambda *given: undo.append(default_registry().register(*given))
    for each in undo:
        each()


@pytest.mark.parametrize("setting", [{"seq_pooling_type": "ACME"}, {"pooling_type": "ACME"}])
def test_a_pooling_method_of_a_plugin_is_named_in_the_pooler_config(
    setting: dict[str, str], register: Register, tmp_path: Path
) -> None:
    register("cenote.poolers", "ACME", middle)
    with LLM(str(build_checkpoint("bert", tmp_path)), pooler_config=setting) as llm:
        (found,) = llm.embed("How deep is the well?")
        (rows,) = llm.encode("How deep is the well?", pooling_task="token_embed")
        assert llm.report()["pooling"].startswith("ACME")
    row = rows.outputs.data[len(rows.outputs.data) // 2]
    assert_close(found.outputs.embedding, row, tolerance=2e-5)


def test_it_joins_with_methods_of_the_core(register: Register, tmp_path: Path) -> None:
    register("cenote.poolers", "ACME", middle)
    config = {"seq_pooling_type": "CLS+ACME"}
    with LLM(str(build_checkpoint("bert", tmp_path)), pooler_config=config) as llm:
        (found,) = llm.embed("How deep is the well?")
    assert len(found.outputs.embedding) == 2 * llm.limits.hidden_size


def test_a_method_that_nobody_offers_is_named(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with pytest.raises(UnknownPlugin, match="NOBODYS"):
        LLM(str(folder), pooler_config={"seq_pooling_type": "NOBODYS"})


@pytest.mark.parametrize("wrong", [None, "MEAN", lambda hidden: hidden, lambda hidden, lengths, skips, more: hidden])
def test_what_is_no_pooling_method_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"a pooling method is a function \(hidden, lengths, skips\)"):
        check_method(wrong)


@pytest.mark.parametrize("wrong", [None, "mean", int])
def test_what_is_no_kernel_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a kernel is a function"):
        check_kernel(wrong)


def test_an_operator_of_a_plugin_is_found_by_the_same_rules(register: Register) -> None:
    register("cenote.kernels", "acme_abs:reference", absolute)
    assert get_kernel("acme_abs").__name__ == "absolute"
    with pytest.raises(UnknownPlugin, match="'acme_none' is installed"):
        get_kernel("acme_none")


def test_a_backend_of_one_operator_can_be_forced(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register("cenote.kernels", "l2_normalize:acme", absolute)
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:acme, reference")
    assert get_kernel("l2_normalize").__name__ == "absolute"
    assert get_kernel("segment_pool").__module__ == "cenote.kernels.segment_pool.reference"
