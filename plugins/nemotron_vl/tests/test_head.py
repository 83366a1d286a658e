"""The head of rerankers computes in float32, whatever the type of the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cenote.adapters import LoadOptions
from cenote.checkpoints import open_checkpoint
from cenote.config import PoolerConfig
from cenote.types import PoolingBatch, PoolingParams, PoolingRow
from cenote_nemotron_vl.head import ScoreHead, load_head


def _head(folder: Path, **options: str) -> ScoreHead:
    given = LoadOptions(pooler_config=PoolerConfig(), **options)  # type: ignore[arg-type]
    return load_head(open_checkpoint(str(folder)), given, pooling="MEAN", language={}, hidden_size=64)


@pytest.fixture
def head(folder_of: Callable[[str], Path]) -> ScoreHead:
    return _head(folder_of("llama_nemotron_vl_rerank"))


def _batch(*lengths: int) -> PoolingBatch:
    rows = (PoolingRow(length=length, tasks=("score",), params=PoolingParams()) for length in lengths)
    return PoolingBatch(tuple(rows))


def test_logits_of_short_floats_are_those_of_float32(head: ScoreHead) -> None:
    hidden = torch.randn(7, 64, generator=torch.Generator().manual_seed(9)).bfloat16()
    found = head.of_prompts(hidden, _batch(3, 4))
    means = torch.stack([hidden[:3].double().mean(dim=0), hidden[3:].double().mean(dim=0)])
    expected = (means @ head.weight.double().T) / 2.5
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    short = (means.bfloat16() @ head.weight.bfloat16().T).float() / 2.5
    assert float((short.double() - expected).abs().max()) > 1e-4


def test_each_token_is_judged_for_itself(head: ScoreHead) -> None:
    hidden = torch.randn(5, 64, generator=torch.Generator().manual_seed(9))
    alone = torch.cat([head.of_prompts(row[None], _batch(1)) for row in hidden])
    torch.testing.assert_close(head.of_tokens(hidden, _batch(5)), alone)


def test_a_head_stored_in_short_floats_is_made_float32(edited: Callable[..., Path], head: ScoreHead) -> None:
    stored = {"score.weight": head.weight.bfloat16()}
    found = _head(edited("llama_nemotron_vl_rerank", added=stored)).weight
    assert found.dtype == torch.float32
    assert torch.equal(found, head.weight.bfloat16().float())


def test_with_vllms_meaning_there_is_no_temperature(folder_of: Callable[[str], Path], head: ScoreHead) -> None:
    assert head.temperature == 2.5
    assert _head(folder_of("llama_nemotron_vl_rerank"), compat="vllm").temperature == 1.0
