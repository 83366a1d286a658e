"""LFM2's short convolution over packed sequences: equal to transformers' own, with no neighbour mixed in."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Lfm2Config, Lfm2Model

from cenote import LLM
from cenote.adapters.families import Family, family_of
from cenote.adapters.linears import PreparedLinear, prepare_linears
from cenote.adapters.lora import LoraStore, LowRank
from cenote.adapters.mixers import install_mixers
from cenote.adapters.packing import pack
from cenote.adapters.selfcheck import choose_execution
from cenote.adapters.short_conv import PackedShortConv, causal_convolution
from cenote.errors import CheckpointError, ShapeError
from cenote.testing.architectures import Architecture
from cenote.testing.architectures.build import build_architecture

LENGTHS = (1, 40, 2, 3, 1, 1, 7, 7, 7)


def _model(*, bias: bool = False, taps: int = 3, dtype: torch.dtype = torch.float32) -> Lfm2Model:
    config = Lfm2Config(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention", "conv", "conv"],
        conv_bias=bias,
        conv_L_cache=taps,
        block_auto_adjust_ff_dim=False,
        initializer_range=0.3,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return Lfm2Model(config).eval().to(dtype)


def _sequences(lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(3)
    return [tuple(torch.randint(1, 300, (length,), generator=generator).tolist()) for length in lengths]


def _difference(model: Any, backbone: Any, attended: list[int | None]) -> float:
    """Return the largest relative difference of a batch from transformers, run alone with its attention mask."""
    ids = _sequences(LENGTHS)
    expected = []
    with torch.inference_mode():
        found = backbone(pack(ids, attended=attended)).float()
        for sequence, most in zip(ids, attended, strict=True):
            mask = (torch.arange(len(sequence)) < (len(sequence) if most is None else most)).long()
            hidden = model(input_ids=torch.tensor([sequence]), attention_mask=mask[None]).last_hidden_state
            expected.append(hidden[0].float())
    rows = torch.cat(expected)
    return float((found - rows).abs().max() / rows.abs().max())


@pytest.mark.parametrize("taps", [1, 3, 4, 5])
@pytest.mark.parametrize("bias", [False, True])
def test_the_convolution_is_that_of_each_sequence_alone(taps: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(taps)
    rows, weight = torch.randn(sum(LENGTHS), 6, generator=generator), torch.randn(6, taps, generator=generator)
    shift = torch.randn(6, generator=generator) if bias else None
    found = causal_convolution(rows, weight, shift, LENGTHS)
    for part, mixed in zip(rows.split(LENGTHS), found.split(LENGTHS), strict=True):
        padded = F.pad(part.T[None], (taps - 1, 0))
        expected = F.conv1d(padded, weight[:, None], shift, groups=6)[0].T
        torch.testing.assert_close(mixed, expected, atol=2e-6, rtol=0)


def test_a_batch_shorter_than_the_convolution_is_computed() -> None:
    rows, weight = torch.tensor([[2.0], [3.0]]), torch.tensor([[1.0, 10.0, 100.0, 1000.0]])
    assert causal_convolution(rows, weight, None, (1, 1)).flatten().tolist() == [2000.0, 3000.0]
    assert causal_convolution(rows, weight, None, (2,)).flatten().tolist() == [2000.0, 3200.0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("taps", [3, 4])
@pytest.mark.parametrize(
    "attended", [[None] * 9, [1, 3, 1, 2, None, None, 6, 7, 1]], ids=["all_attended", "with_expansions"]
)
def test_packed_equals_transformers_alone(bias: bool, taps: int, attended: list[int | None]) -> None:
    model = _model(bias=bias, taps=taps)
    reference = copy.deepcopy(model)
    backbone, _, _ = choose_execution(model, family_of("lfm2"), "packed", 64, expands=True)
    assert backbone.execution == "packed"
    assert _difference(reference, backbone, attended) <= 2e-5


def test_half_precision_stays_near_transformers() -> None:
    model = _model(dtype=torch.bfloat16)
    reference = copy.deepcopy(model)
    backbone, _, _ = choose_execution(model, family_of("lfm2"), "packed", 64, expands=True)
    assert _difference(reference, backbone, [1, 3, 1, 2, None, None, 6, 7, 1]) <= 4e-2


def test_the_plain_convolution_leaks_and_is_refused() -> None:
    model = _model()
    with pytest.raises(CheckpointError, match="packed and alone differ"):
        choose_execution(model, Family(title="x"), "packed", 64)
    backbone, reason, _ = choose_execution(_model(), Family(title="x"), "auto", 64)
    assert backbone.execution == "padded"
    assert "packed and alone differ" in reason


def _leaking(rows: Tensor, weight: Tensor, bias: Tensor | None, lengths: tuple[int, ...]) -> Tensor:
    return causal_convolution(rows, weight, bias, (len(rows),))


@pytest.mark.parametrize("taps", [2, 3])
def test_a_leak_of_one_tap_is_seen_at_load(taps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cenote.adapters.short_conv.causal_convolution", _leaking)
    with pytest.raises(CheckpointError, match="packed and alone differ"):
        choose_execution(_model(taps=taps), family_of("lfm2"), "packed", 64)


def test_a_model_that_falls_back_has_its_own_convolutions_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cenote.adapters.short_conv.causal_convolution", _leaking)
    model = _model()
    backbone, _, _ = choose_execution(model, family_of("lfm2"), "auto", 64, expands=True)
    assert backbone.execution == "padded"
    assert not any(isinstance(part, PackedShortConv) for part in model.modules())
    assert _difference(model, backbone, [1, 3, 1, 2, None, None, 6, 7, 1]) <= 2e-5


class Lfm2ShortConv(nn.Module):
    """Of the name that is known, and of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj, self.out_proj = nn.Linear(4, 12), nn.Linear(4, 4)
        self.conv = nn.Conv1d(4, 4, 3, groups=4, padding=4, dilation=2)


def test_a_convolution_of_another_kind_is_not_replaced() -> None:
    with pytest.raises(ShapeError, match="not of the kind"):
        install_mixers(nn.Sequential(Lfm2ShortConv()), ["short_conv"])


def test_a_packed_convolution_fails_closed() -> None:
    model = _model()
    install_mixers(model, ["short_conv"])
    layer, rows = model.layers[0].conv, torch.zeros(1, 4, 32)
    with pytest.raises(ShapeError, match="without sequence lengths"):
        layer(rows)
    with pytest.raises(ShapeError, match="no caches and no attention masks"):
        layer(rows, attention_mask=torch.ones(1, 4), packed_lengths=(4,), packed_key_lengths=(4,))


def test_projections_around_the_convolution_take_adapters_and_the_layout_of_kernels() -> None:
    model = _model()
    backbone, _, probe = choose_execution(model, family_of("lfm2"), "packed", 64, expands=True)
    assert "kernel's layout" in prepare_linears(model, lambda: probe.together(backbone))
    conv: Any = model.layers[0].conv
    assert isinstance(conv.in_proj, PreparedLinear)
    store = LoraStore(model, backbone, probe)
    plain = probe.together(store.backbone)
    down, up = torch.randn(2, 32) * 0.3, torch.randn(96, 2) * 0.3
    store.add("acme", {"layers.0.conv.in_proj": LowRank(down, up)})  # checks mixed batches against each alone
    batch = pack(list(probe.sequences), attended=list(probe.attended), loras=["acme"] * len(probe.sequences))
    with torch.inference_mode():
        assert float((store.backbone(batch) - plain).abs().max()) > 1e-2


def test_a_checkpoint_runs_packed_and_gives_the_vectors_of_transformers(tmp_path: Path) -> None:
    model = build_architecture(Architecture(name="Lfm2Model", model_type="lfm2"), tmp_path / "m")
    texts = ["a", "one two three", "rain falls on the flat plain and sinks through cracks in the rock", "b", "c d"]
    with LLM(str(tmp_path / "m"), convert="embed") as llm:
        assert llm.report()["execution"].startswith("packed")
        outputs = llm.encode(texts, pooling_task="token_embed", use_tqdm=False)
    for output in outputs:
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([output.prompt_token_ids])).last_hidden_state[0]
        torch.testing.assert_close(output.outputs.data, F.normalize(hidden, dim=-1), atol=2e-5, rtol=0)
