"""Qwen3.5's linear attention over packed sequences: equal to transformers' own, with no state passed on."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Qwen3_5TextConfig, Qwen3_5TextModel, Qwen3NextConfig, Qwen3NextModel
from transformers.models.qwen3_5.modeling_qwen3_5 import (
    torch_chunk_gated_delta_rule,
    torch_recurrent_gated_delta_rule,
)

from cenote.adapters import delta_rule
from cenote.adapters.backbone import Backbone
from cenote.adapters.delta_rule import gated_delta_rule
from cenote.adapters.families import Family, family_of
from cenote.adapters.gated_delta import PackedGatedDelta
from cenote.adapters.linears import PreparedLinear, prepare_linears
from cenote.adapters.lora import LoraStore, LowRank
from cenote.adapters.mixers import install_mixers
from cenote.adapters.packing import pack
from cenote.adapters.selfcheck import choose_execution
from cenote.errors import CheckpointError, ShapeError

LENGTHS = (1, 130, 64, 65, 3, 3, 200, 17)
EXPANDED = [None, 100, 1, 64, 2, None, 199, 5]


def _rule_inputs(lengths: tuple[int, ...], largest: float) -> dict[str, Tensor]:
    """Return random arguments, whose decays are small but for one in five."""
    generator = torch.Generator().manual_seed(1)
    tokens = sum(lengths)

    def draw(*shape: int) -> Tensor:
        return torch.randn(tokens, *shape, generator=generator)

    small = -0.1 * torch.rand(tokens, 4, generator=generator)
    strong = torch.rand(tokens, 4, generator=generator) < 0.2
    return {
        "query": draw(2, 16),
        "key": draw(2, 16),
        "value": draw(4, 24),
        "decay": small.masked_fill(strong, -largest),
        "beta": torch.rand(tokens, 4, generator=generator),
    }


def _alone(rule: Any, inputs: dict[str, Tensor], lengths: tuple[int, ...]) -> Tensor:
    """Return what a rule of transformers gives for each sequence by itself."""
    parts = [rows.split(lengths) for rows in inputs.values()]
    results = []
    for query, key, value, decay, beta in zip(*parts, strict=True):
        rows = [part[None] for part in (query, key, value)]
        read, _ = rule(*rows, g=decay[None], beta=beta[None], use_qk_l2norm_in_kernel=True)
        results.append(read[0])
    return torch.cat(results)


@pytest.mark.parametrize("rule", [torch_chunk_gated_delta_rule, torch_recurrent_gated_delta_rule])
@pytest.mark.parametrize("lengths", [LENGTHS, (5, 1, 12), (1,), (64,)])
def test_the_rule_is_that_of_each_sequence_alone(rule: Any, lengths: tuple[int, ...]) -> None:
    inputs = _rule_inputs(lengths, 1.0)
    found = gated_delta_rule(**inputs, lengths=lengths)
    torch.testing.assert_close(found, _alone(rule, inputs, lengths), atol=2e-6, rtol=0)


@pytest.mark.parametrize("largest", [30.0, 1e3, 1e6, 1e30, math.inf])
def test_extreme_decays_forget_everything_and_give_no_nan(largest: float) -> None:
    inputs = _rule_inputs(LENGTHS, largest)
    found = gated_delta_rule(**inputs, lengths=LENGTHS)
    assert bool(found.isfinite().all())
    torch.testing.assert_close(found, _alone(torch_recurrent_gated_delta_rule, inputs, LENGTHS), atol=2e-6, rtol=0)


def test_heads_that_do_not_fit_at_once_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = _rule_inputs(LENGTHS, 1.0)
    together = gated_delta_rule(**inputs, lengths=LENGTHS)
    monkeypatch.setattr(delta_rule, "_AT_ONCE", 1)
    torch.testing.assert_close(gated_delta_rule(**inputs, lengths=LENGTHS), together, atol=1e-6, rtol=0)


def _model(dtype: torch.dtype = torch.float32) -> Qwen3_5TextModel:
    config = Qwen3_5TextConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        layer_types=["linear_attention", "linear_attention", "full_attention", "linear_attention"],
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5},
        initializer_range=0.05,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return Qwen3_5TextModel(config).eval().to(dtype)


def _difference(model: Any, backbone: Backbone, attended: list[int | None]) -> float:
    """Return the largest relative difference of a batch from transformers, run alone with its attention mask."""
    generator = torch.Generator().manual_seed(3)
    ids = [tuple(torch.randint(1, 300, (length,), generator=generator).tolist()) for length in LENGTHS]
    expected = []
    with torch.inference_mode():
        found = backbone(pack(ids, attended=attended)).float()
        for sequence, most in zip(ids, attended, strict=True):
            mask = (torch.arange(len(sequence)) < (len(sequence) if most is None else most)).long()
            hidden = model(input_ids=torch.tensor([sequence]), attention_mask=mask[None]).last_hidden_state
            expected.append(hidden[0].float())
    rows = torch.cat(expected)
    return float((found - rows).abs().max() / rows.abs().max())


@pytest.mark.parametrize("attended", [[None] * 8, EXPANDED], ids=["all_attended", "with_expansions"])
def test_packed_equals_transformers_alone(attended: list[int | None]) -> None:
    model = _model()
    reference = copy.deepcopy(model)
    backbone, _, _ = choose_execution(model, family_of("qwen3_5_text"), "packed", 64, expands=True)
    assert backbone.execution == "packed"
    assert _difference(reference, backbone, attended) <= 2e-5


def test_full_attention_may_look_ahead_while_linear_attention_does_not() -> None:
    model = _model()
    reference = copy.deepcopy(model)
    for changed in (model, reference):
        changed.config.is_causal = False
        changed.layers[2].self_attn.is_causal = False
    backbone, _, _ = choose_execution(model, family_of("qwen3_5_text"), "packed", 64)
    assert _difference(reference, backbone, [None] * 8) <= 2e-5
    assert _difference(_model(), backbone, [None] * 8) > 1e-2


def test_half_precision_stays_near_transformers() -> None:
    model = _model(torch.bfloat16)
    reference = copy.deepcopy(model)
    backbone, _, _ = choose_execution(model, family_of("qwen3_5_text"), "packed", 64)
    assert _difference(reference, backbone, [None] * 8) <= 4e-2


def test_the_plain_layers_cannot_run_packed() -> None:
    with pytest.raises(CheckpointError, match="can't keep packed sequences apart"):
        choose_execution(_model(), Family(title="x"), "packed", 64)


def _leaking(*rows: Tensor, lengths: tuple[int, ...], **others: Tensor) -> Tensor:
    return gated_delta_rule(*rows, lengths=(sum(lengths),), **others)


def test_a_state_that_is_passed_on_is_seen_at_load_and_the_own_layers_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cenote.adapters.gated_delta.gated_delta_rule", _leaking)
    model = _model()
    reference = copy.deepcopy(model)
    backbone, reason, _ = choose_execution(model, family_of("qwen3_5_text"), "auto", 64)
    assert backbone.execution == "padded"
    assert "packed and alone differ" in reason
    assert not any(isinstance(part, PackedGatedDelta) for part in model.modules())
    assert _difference(reference, backbone, [None] * 8) <= 2e-5


def test_layers_of_another_kind_are_not_replaced() -> None:
    config = Qwen3NextConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_num_key_heads=1,
        linear_num_value_heads=2,
        num_experts=0,
    )
    model = Qwen3NextModel(config)
    with pytest.raises(ShapeError, match="Qwen3NextGatedDeltaNet"):
        install_mixers(model, ["gated_delta"])


def test_packed_linear_attention_fails_closed() -> None:
    model = _model()
    install_mixers(model, ["gated_delta"])
    layer, rows = model.layers[0].linear_attn, torch.zeros(1, 4, 32)
    with pytest.raises(ShapeError, match="without sequence lengths"):
        layer(rows)
    with pytest.raises(ShapeError, match="no caches and no attention masks"):
        layer(rows, attention_mask=torch.ones(1, 4), packed_lengths=(4,), packed_key_lengths=(4,))


@pytest.mark.parametrize(("name", "rows"), [("in_proj_qkv", 64), ("in_proj_z", 32), ("in_proj_a", 4), ("out_proj", 32)])
def test_projections_take_adapters_and_the_layout_of_kernels(name: str, rows: int) -> None:
    model = _model()
    backbone, _, probe = choose_execution(model, family_of("qwen3_5_text"), "packed", 64)
    assert "kernel's layout" in prepare_linears(model, lambda: probe.together(backbone))
    layer: nn.Module = model.layers[0].linear_attn
    assert isinstance(layer.get_submodule("in_proj_qkv"), PreparedLinear)
    store = LoraStore(model, backbone, probe)
    plain = probe.together(store.backbone)
    generator = torch.Generator().manual_seed(5)
    down, up = torch.randn(2, 32, generator=generator), torch.randn(rows, 2, generator=generator)
    # Checks batches in which only some have the adapter against each alone.
    store.add("acme", {f"layers.0.linear_attn.{name}": LowRank(down, up)})
    batch = pack(list(probe.sequences), loras=["acme"] * len(probe.sequences))
    with torch.inference_mode():
        assert float((store.backbone(batch) - plain).abs().max()) > 1e-2
