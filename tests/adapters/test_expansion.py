"""Tokens that nobody attends to, at the end of a prompt, are computed as transformers computes what its mask hides."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone
from cenote.adapters.families import Family, family_of
from cenote.adapters.packing import pack, select
from cenote.adapters.probes import build_probe
from cenote.adapters.selfcheck import choose_execution
from cenote.errors import CheckpointError
from cenote.testing.architectures import Architecture, architectures
from cenote.testing.architectures.build import build_architecture

#: How each family runs where prompts have unattended tokens.
EXECUTION = {
    "BertModel": "packed",
    "DistilBertModel": "packed",
    "ElectraModel": "packed",
    "RobertaModel": "packed",
    "XLMRobertaModel": "packed",
    "ModernBertModel": "packed",
    "JinaEmbeddingsV3Model": "packed",
    "GteModel": "packed",
    "NomicBertModel": "packed",
    "EuroBertModel": "packed",
    "Qwen2Model": "packed",
    "Qwen3Model": "packed",
    "MistralModel": "packed",
    "Lfm2Model": "packed",
    "MPNetModel": "padded",
    "DebertaV2Model": "padded",
}

#: Length of each sequence, and how many of its tokens are attended to: documents among expanded queries, the tail of
#: the longest one beyond a sliding window of any of the tiny models.
SEQUENCES = ((12, 5), (12, None), (40, 3), (1, None), (12, 12), (2, 1), (33, 4), (12, 5))


def tiny(name: str, folder: Path) -> Any:
    """Return a tiny model of a class, in evaluation mode."""
    (architecture,) = (item for item in architectures() if item.name == name)
    return build_architecture(Architecture(name=name, model_type=architecture.model_type), folder)


def sequences(model: Any) -> tuple[list[tuple[int, ...]], list[int | None]]:
    """Return token ids and how many are attended to; unattended ones are the same token again and again."""
    generator = torch.Generator().manual_seed(7)
    ids = []
    for length, attended in SEQUENCES:
        tokens = torch.randint(5, model.config.vocab_size, (length,), generator=generator)
        tokens[length if attended is None else attended :] = 4
        ids.append(tuple(tokens.tolist()))
    return ids, [attended for _, attended in SEQUENCES]


def with_mask(model: Any, ids: tuple[int, ...], attended: int | None) -> Tensor:
    """Return the hidden states of one sequence by the model's own attention and attention mask."""
    mask = torch.ones(1, len(ids), dtype=torch.int64)
    mask[:, len(ids) if attended is None else attended :] = 0
    with torch.inference_mode():
        hidden: Tensor = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state
    return hidden[0]


def difference(backbone: Backbone, reference: Any) -> float:
    """Return the largest difference of a batch from the reference, relative to its largest value."""
    ids, attended = sequences(reference)
    with torch.inference_mode():
        found = backbone(pack(ids, attended=attended))
    expected = torch.cat([with_mask(reference, *pair) for pair in zip(ids, attended, strict=True)])
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", EXECUTION)
def test_unattended_tokens_are_those_of_the_class_itself(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)
    reference = copy.deepcopy(model)
    backbone, reason, _ = choose_execution(model, family_of(model.config.model_type), "auto", 100, expands=True)
    assert backbone.execution == EXECUTION[name], reason
    assert difference(backbone, reference) <= 2e-5


@pytest.mark.parametrize("name", ["BertModel", "RobertaModel", "ModernBertModel", "Lfm2Model", "MPNetModel"])
def test_padded_execution_masks_them_as_well(name: str, tmp_path: Path) -> None:
    model = tiny(name, tmp_path)
    backbone, _, _ = choose_execution(model, family_of(model.config.model_type), "padded", 100, expands=True)
    assert backbone.execution == "padded"
    assert difference(backbone, model) <= 2e-5


def test_deberta_v2_whose_unattended_tokens_see_the_padding_runs_with_equal_lengths_only(tmp_path: Path) -> None:
    model = tiny("DebertaV2Model", tmp_path)
    _, plain, _ = choose_execution(model, family_of("deberta-v2"), "auto", 100)
    _, expanding, _ = choose_execution(model, family_of("deberta-v2"), "auto", 100, expands=True)
    assert "only equal lengths" not in plain
    assert "only equal lengths" in expanding


def test_packed_execution_that_shows_unattended_tokens_is_refused_where_prompts_expand(tmp_path: Path) -> None:
    for expands, execution in ((False, "packed"), (True, "padded")):
        model = tiny("Qwen3Model", tmp_path / str(expands))
        inner = model.forward

        def forward(
            input_ids: Any = None,
            attention_mask: Any = None,
            position_ids: Any = None,
            use_cache: Any = None,
            _inner: Any = inner,
            **given: Any,
        ) -> Any:
            if "packed_lengths" in given:
                given["packed_key_lengths"] = given["packed_lengths"]
            return _inner(input_ids, attention_mask, position_ids, use_cache=False, **given)

        model.forward = forward
        backbone, _, _ = choose_execution(model, Family(title="x"), "auto", 100, expands=expands)
        assert backbone.execution == execution
    with pytest.raises(CheckpointError, match="Packed execution was asked for"):
        choose_execution(model, Family(title="x"), "packed", 100, expands=True)


def test_selecting_sequences_keeps_what_is_attended() -> None:
    batch = pack([(1, 2, 3), (4,), (5, 6)], attended=[2, None, 1])
    assert batch.key_lengths == (2, 1, 1)
    assert select(batch, [2, 0]).key_lengths == (1, 2)


@pytest.mark.parametrize("max_tokens", [1, 2, 4, 12])
def test_probes_of_models_for_short_texts_attend_to_no_more_than_there_is(max_tokens: int, tmp_path: Path) -> None:
    probe = build_probe(tiny("ModernBertModel", tmp_path), max_tokens, expands=True)
    for ids, attended in zip(probe.sequences, probe.attended, strict=True):
        assert 1 <= len(ids) <= max_tokens
        assert attended is None or 1 <= attended <= len(ids)
