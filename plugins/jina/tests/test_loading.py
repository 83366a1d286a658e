"""Recognising the checkpoint, and refusing what would be computed wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cenote import LLM
from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import CheckpointError
from cenote.registry import resolve_adapter
from cenote.testing.checkpoints import build_checkpoint


def _chosen(folder: Path) -> str:
    facts = open_checkpoint(str(folder))
    return resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type).spec.name


def test_the_published_layout_is_recognised_and_plain_xlm_roberta_is_not(jina: Path, tmp_path: Path) -> None:
    assert _chosen(jina) == "jina-embeddings-v3"
    assert _chosen(build_checkpoint("xlm_roberta", tmp_path / "plain")) != "jina-embeddings-v3"


def test_nothing_asks_about_the_code_of_the_checkpoint(jina: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise AssertionError("something asked on the terminal")

    monkeypatch.setattr("builtins.input", refuse)
    assert load_tokenizer(open_checkpoint(str(jina))).vocab_size > 100
    with LLM(str(jina)) as llm:
        assert llm.limits.matryoshka_dimensions == (8, 16, 24, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"emb_pooler": "cls"}, "emb_pooler"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"truncate_dim": 16}, "truncate_dim"),
        ({"rotary_emb_base": "many"}, "rotary_emb_base"),
        ({"lora_adaptations": []}, "lora_adaptations"),
        ({"lora_rank": 3}, "tasks of rank 3 need"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_adaptations": ["one", "two"]}, "2 tasks of rank 4 need"),
        ({"task_instructions": {"separation": 3}}, "task_instructions"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_config_that_asks_for_something_else_is_refused(changes: dict[str, Any], message: str, jina: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(jina), hf_overrides=changes)


_WQKV = "roberta.encoder.layers.1.mixer.Wqkv.parametrizations.weight"


def _without(*names: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key not in names}


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "no factor": (_without(f"{_WQKV}.0.lora_B"), r"and no .*lora_B"),
    "no original": (_without(f"{_WQKV}.original"), r"and no .*original"),
    "no matrix": (_without(*(f"{_WQKV}.{part}" for part in ("original", "0.lora_A", "0.lora_B"))), "not in the weight"),
    "a broken factor": (
        lambda tensors: tensors | {f"{_WQKV}.0.lora_A": torch.full((5, 4, 32), float("nan"))},
        "differ by nan",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_with_a_part_missing_are_refused(change: str, tmp_path: Path) -> None:
    folder = build_checkpoint("jina_embeddings_v3", tmp_path)
    altered, message = CHANGES[change]
    save_file(altered(load_file(folder / "model.safetensors")), folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))
