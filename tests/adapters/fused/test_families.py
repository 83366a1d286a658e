"""Fused layers against the model's own, family by family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn

from cenote.adapters.fused import FusedLayers, fuse_layers
from cenote.adapters.fused.layouts import LAYOUTS
from cenote.adapters.packing import pack
from cenote.kernels import backend_of

#: From something to a model, or to a call that runs one.
Make: TypeAlias = Callable[..., Any]

FAMILIES = [
    "bert",
    "distilbert",
    "electra",
    "eurobert",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gte",
    "jina_embeddings_v3",
    "llama",
    "mistral",
    "modernbert",
    "nomic_bert",
    "qwen2",
    "qwen3",
    "roberta",
]


def _difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _fused(model: Any) -> FusedLayers:
    (found,) = (module for module in model.modules() if isinstance(module, FusedLayers))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_fused_layers_equal_the_models_own(family: str, tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model(family))
    expected = run()

    words = fuse_layers(run.model, run)

    assert words == f"3 fused layers, 12 products of linear:{backend_of('linear')}"
    assert len(_fused(run.model).layers) == 3
    assert _difference(run(), expected) <= 5e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16_they_are_nearer_to_float32_than_the_models_own(
    family: str, tiny_model: Make, packed: Make
) -> None:
    run = packed(tiny_model(family, torch.bfloat16))
    own = run()
    exact = packed(tiny_model(family, torch.bfloat16).float())()

    fuse_layers(run.model, run)

    found = run()
    assert found.dtype == torch.float32
    assert (found - exact).norm() < (own - exact).norm()


@pytest.mark.parametrize("family", ["bert", "gemma3_text", "modernbert", "qwen3"])
def test_the_reference_kernels_give_the_same(
    family: str, monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", "reference")
    run = packed(tiny_model(family))
    expected = run()

    assert "3 fused layers" in fuse_layers(run.model, run)

    assert _difference(run(), expected) <= 5e-6


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_a_sequence_gives_the_same_alone_and_among_others(family: str, tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model(family))
    fuse_layers(run.model, run)

    alone = torch.cat([run.probe.alone(run.backbone, index) for index in range(len(run.probe.sequences))])

    assert _difference(alone, run()) <= 5e-6


@pytest.mark.parametrize("family", ["bert", "qwen3", "modernbert"])
def test_int8_products_stay_close(family: str, tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model(family))
    expected = run()

    words = fuse_layers(run.model, run, quantization="int8")

    assert words.startswith("3 fused layers, 12 products of linear:")
    assert "as int8 (least cosine of hidden states 0.99" in words
    found = run()
    assert not torch.equal(found, expected)
    assert nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.99


def test_no_linear_layer_of_the_model_is_kept(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("llama"))

    fuse_layers(run.model, run)

    assert not any(isinstance(module, nn.Linear) for module in run.model.modules())


def test_a_pooling_layer_that_nobody_reads_is_left_out(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("bert", torch.bfloat16))
    assert run.model.pooler is not None

    assert "3 fused layers" in fuse_layers(run.model, run)

    assert run.model.pooler is None


def test_layouts_are_told_apart_by_their_parts() -> None:
    assert len({(layout.layers, layout.parts, layout.is_post_norm) for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_direct_way_equals_the_models_forward(family: str, tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model(family))
    expected = run()

    fuse_layers(run.model, run, backbone=run.backbone)

    # A factor or a projection between embeddings and layers is none of the ways that are known.
    assert (run.backbone.direct is None) == (family == "electra")
    assert _difference(run(), expected) <= 5e-6


@pytest.mark.parametrize("family", ["bert", "nomic_bert"])
def test_the_direct_way_tells_segments_apart(family: str, tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model(family))
    segments: list[tuple[int, ...] | None] = [(0, 0, 1, 1), None]
    batch = pack([(5, 6, 7, 8), (9, 10)], token_type_ids=segments)
    with torch.inference_mode():
        expected = run.backbone(batch)

        fuse_layers(run.model, run, backbone=run.backbone)

        assert run.backbone.direct is not None
        assert _difference(run.backbone(batch), expected) <= 5e-6
