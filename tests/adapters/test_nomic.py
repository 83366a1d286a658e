"""nomic-embed-text v1.5 with `dimensions`, as its card computes them: layer normalisation, cut, length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cenote import LLM, PoolerConfig, PoolingParams
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_backbone, build_checkpoint
from cenote.testing.compare import assert_all_close

TEXTS = ["search_query: what is a cenote?", "search_document: a pit with water", "clustering: x"]
MATRYOSHKA = {"hf_overrides": {"is_matryoshka": True}}


def embed(model: LLM, dimensions: int | None) -> list[Any]:
    params = PoolingParams(dimensions=dimensions)
    return [np.asarray(o.outputs.embedding) for o in model.embed(TEXTS, pooling_params=params, use_tqdm=False)]


def pooled(model: LLM) -> Tensor:
    """Return the mean of transformers' hidden states [n, h]."""
    backbone = build_backbone("nomic")
    rows = []
    for output in model.encode(TEXTS, pooling_task="embed", use_tqdm=False):
        with torch.no_grad():
            rows.append(backbone(torch.tensor([output.prompt_token_ids])).last_hidden_state[0].mean(0))
    return torch.stack(rows)


def check(found: Sequence[Any], expected: Tensor) -> None:
    assert_all_close(found, F.normalize(expected, dim=1).numpy(), tolerance=2e-5)


def test_a_size_that_is_asked_for_is_cut_behind_a_layer_normalisation(tmp_path: Path) -> None:
    folder = build_checkpoint("nomic", tmp_path)
    with LLM(str(folder), **MATRYOSHKA) as model:
        whole = pooled(model)
        for size in (8, 32):
            check(embed(model, size), F.layer_norm(whole, whole.shape[1:])[:, :size])
        check(embed(model, None), whole)


def test_the_default_size_of_the_user_is_cut_the_same_way(tmp_path: Path) -> None:
    folder = build_checkpoint("nomic", tmp_path)
    with LLM(str(folder), pooler_config=PoolerConfig(dimensions=8), **MATRYOSHKA) as model:
        whole = pooled(model)
        check(embed(model, None), F.layer_norm(whole, whole.shape[1:])[:, :8])


def test_vllm_cuts_without_it(tmp_path: Path) -> None:
    folder = build_checkpoint("nomic", tmp_path)
    with LLM(str(folder), compat="vllm", **MATRYOSHKA) as model:
        check(embed(model, 8), pooled(model)[:, :8])


def test_sizes_must_be_declared(tmp_path: Path) -> None:
    folder = build_checkpoint("nomic", tmp_path)
    with LLM(str(folder)) as model, pytest.raises(InvalidRequest, match="matryoshka"):
        embed(model, 8)
    with (
        LLM(str(folder), hf_overrides={"matryoshka_dimensions": [16, 32]}) as model,
        pytest.raises(InvalidRequest, match="16, 32"),
    ):
        embed(model, 8)
