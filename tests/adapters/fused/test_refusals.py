"""Layers that are not known, or do not agree, stay as they are, and give what they gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from cenote import LLM
from cenote.adapters.fused import FusedLayers, fuse_layers
from cenote.adapters.lora import LowRank
from cenote.adapters.packing import pack
from cenote.errors import InvalidRequest, ShapeError
from cenote.testing.checkpoints import build_checkpoint

#: From something to a model, or to a call that runs one.
Make: TypeAlias = Callable[..., Any]

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("bert", {"hidden_act": "tanh"}, "operators know no Tanh"),
    ("bert", {"is_decoder": True, "add_cross_attention": True}, "BertLayer has other parts than known layers"),
    ("granite", {}, "GraniteDecoderLayer has residual_multiplier"),
    ("helium", {}, "fused, they differ by"),
    ("olmo2", {}, "Olmo2DecoderLayer has other parts than known layers"),
    ("phi3", {}, "Phi3DecoderLayer has other parts than known layers"),
    ("qwen3_vl_text", {}, "the model takes deepstack_visual_embeds, visual_pos_masks"),
]


@pytest.mark.parametrize(("family", "settings", "reason"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_is_not_known_stays_as_it_is(
    family: str, settings: dict[str, Any], reason: str, tiny_model: Make, packed: Make
) -> None:
    run = packed(tiny_model(family, **settings))
    expected = run()

    words = fuse_layers(run.model, run)

    assert words.startswith(f"layers as in transformers ({reason}")
    assert not any(isinstance(module, FusedLayers) for module in run.model.modules())
    assert torch.equal(run(), expected)


def test_layers_of_another_kind_among_the_known_are_found(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("bert"))
    run.model.encoder.layer[1].intermediate.intermediate_act_fn = torch.nn.Tanh()

    assert "operators know no Tanh" in fuse_layers(run.model, run)


def test_a_changed_forward_is_found(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("bert"))
    layer = run.model.encoder.layer[2]
    own = layer.output.forward
    layer.output.forward = lambda rows, residual: own(2.0 * rows, residual)

    assert "BertOutput has forward" in fuse_layers(run.model, run)


def test_fused_layers_refuse_a_batch_that_is_not_packed(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("bert"))
    fuse_layers(run.model, run)

    with pytest.raises(ShapeError, match="without sequence lengths"):
        run.model(input_ids=torch.tensor([[5, 6, 7]]))


def test_fused_layers_refuse_arguments_that_they_do_not_know(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("llama"))
    fuse_layers(run.model, run)
    batch = pack([(5, 6, 7)])
    lengths = {"packed_lengths": batch.lengths, "packed_key_lengths": batch.key_lengths}

    with pytest.raises(ShapeError, match="do not know head_mask"):
        run.model(input_ids=batch.input_ids[None], head_mask=torch.ones(1), **lengths)


def test_low_rank_adapters_need_the_models_own_layers(tmp_path: Path) -> None:
    folder = str(build_checkpoint("bert", tmp_path))
    update = {"encoder.layer.0.output.dense": LowRank(torch.zeros(1, 1), torch.zeros(1, 1))}
    with LLM(folder) as llm:
        assert "fused layers" in llm._loaded.model.report()["execution"]
        with pytest.raises(InvalidRequest, match="load it with enable_lora=True"):
            llm._loaded.model.loras.add("one", update)  # type: ignore[attr-defined]
    with LLM(folder, enable_lora=True) as llm:
        assert "layers as in transformers, for low-rank adapters" in llm._loaded.model.report()["execution"]


def test_a_padded_model_keeps_its_layers(tmp_path: Path) -> None:
    with LLM(str(build_checkpoint("bert", tmp_path)), execution="padded") as llm:
        assert "fused" not in llm._loaded.model.report()["execution"]
