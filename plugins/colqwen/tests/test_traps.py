"""Ways to be wrong without noticing: goldens tell each from what is right, and tests of the model show that it is not.

That the goldens tell a fault is not yet that cenote lacks it: `test_conformance` compares cenote with the goldens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cenote import LLM, PoolingParams
from cenote.adapters.qwen_vl import ImageRules
from cenote.checkpoints import open_checkpoint
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.pictures import sample_picture
from cenote_colqwen.colqwen3 import OPS, TOMORO
from cenote_colqwen.variants import IMAGE_TOKENS

_FOLDER = Path(__file__).with_name("goldens")
_FAMILIES = ("colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5")
_TRAPS = [
    (path.stem, trap) for path in sorted(_FOLDER.glob("*.json")) for trap in json.loads(path.read_text())["flipped"]
]
_PROJECTIONS = {
    "colqwen3": "embedding_proj_layer",
    "ops_colqwen3": "custom_text_proj",
    "colqwen3_5": "custom_text_proj",
}
_NORMS = {
    "colqwen3": "vlm.model.language_model.norm.weight",
    "ops_colqwen3": "language_model.norm.weight",
    "nemotron_colembed": "model.language_model.norm.weight",
    "colqwen3_5": "language_model.norm.weight",
}
_TOLERANCE = 1e-4
#: Every trap moves some score by more than this.
_VISIBLE = 0.2
_PAGES = ("square", "wide", "tall")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


def _pages(names: tuple[str, ...] = _PAGES) -> list[Any]:
    return [sample_picture(*_golden("colqwen3")["pictures"][name]) for name in names]


def _scores(model: LLM, name: str) -> dict[str, list[float]]:
    """Return the scores of the golden queries with pages and a text."""
    texts = {row["name"]: row["text"] for row in _golden(name)["prompts"]}
    documents = [*_pages(), texts["document 0"]]
    found = {query: model.score(texts[query], documents, use_tqdm=False) for query in ("query 0", "query 1", "query 2")}
    return {query: [output.outputs.score for output in outputs] for query, outputs in found.items()}


def _expected(scores: Mapping[str, Any]) -> dict[str, list[float]]:
    return {query: [row[name] for name in (*_PAGES, "document 0")] for query, row in scores.items()}


def _furthest(found: Mapping[str, list[float]], other: Mapping[str, list[float]]) -> float:
    return max(float(np.abs(np.subtract(row, other[query])).max()) for query, row in found.items())


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """Write a look-alike with one of its tensors multiplied."""

    def change(family: str, tensor: str, factor: Any) -> Path:
        folder = build_checkpoint(family, tmp_path / f"{family}{len(list(tmp_path.iterdir()))}")
        weights = load_file(folder / "model.safetensors")
        save_file({**weights, tensor: weights[tensor] * factor}, folder / "model.safetensors", {"format": "pt"})
        return folder

    return change


@pytest.mark.parametrize(("name", "trap"), _TRAPS)
def test_goldens_tell_the_scores_of_this_fault_from_the_right_ones(name: str, trap: str) -> None:
    golden = _golden(name)
    assert _furthest(_expected(golden["scores"]), _expected(golden["flipped"][trap])) > _VISIBLE


@pytest.mark.parametrize("family", _PROJECTIONS)
def test_the_bias_of_the_projection_is_added(family: str, changed: Callable[..., Path]) -> None:
    golden = _golden(family)
    with LLM(str(changed(family, f"{_PROJECTIONS[family]}.bias", 0.0))) as model:
        found = _scores(model, family)
    assert _furthest(found, _expected(golden["flipped"]["no bias"])) < _TOLERANCE
    assert _furthest(found, _expected(golden["scores"])) > _VISIBLE


@pytest.mark.parametrize("family", _FAMILIES)
def test_only_nemotron_looks_ahead(family: str, loaded: Any, encode: Any) -> None:
    model = loaded(family)
    before, after = (output.outputs.data for output in encode(model, ["water and wine", "water and salt"], "query"))
    ids = [output.prompt_token_ids for output in encode(model, ["water and wine", "water and salt"], "query")]
    shared = next(place for place, (one, other) in enumerate(zip(*ids, strict=False)) if one != other)
    moved = float((before[:shared] - after[:shared]).abs().max())
    assert moved > 1e-2 if family == "nemotron_colembed" else moved < 2e-5


@pytest.mark.parametrize("family", _FAMILIES)
def test_only_nemotron_leaves_out_the_last_norm(family: str, changed: Callable[..., Path], encode: Any) -> None:
    # Weights that differ, since a common factor would be lost in normalising.
    factor = torch.linspace(0.2, 3.0, 64)
    prompts = ["a text", {"multi_modal_data": {"image": _pages()[1]}}]
    plain, scaled = (
        [output.outputs.data for output in _all(folder, prompts, encode)]
        for folder in (changed(family, _NORMS[family], 1.0), changed(family, _NORMS[family], factor))
    )
    for one, other in zip(plain, scaled, strict=True):
        moved = float((one - other).abs().max())
        assert moved == 0 if family == "nemotron_colembed" else moved > 1e-2


def _all(folder: Path, prompts: list[Any], encode: Any) -> list[Any]:
    with LLM(str(folder)) as model:
        return list(encode(model, prompts))


def test_nemotron_with_vllms_mistakes_is_causal_and_normed(
    folder_of: Any, changed: Callable[..., Path], encode: Any
) -> None:
    with LLM(str(folder_of("nemotron_colembed")), compat="vllm") as model:
        one, other = encode(model, ["water and wine", "water and salt"])
        assert_close(one.outputs.data[:2], other.outputs.data[:2], tolerance=2e-5)
    factor = torch.linspace(0.2, 3.0, 64)
    with LLM(str(changed("nemotron_colembed", _NORMS["nemotron_colembed"], factor)), compat="vllm") as model:
        (scaled,) = encode(model, ["water and wine"])
    assert float((scaled.outputs.data - one.outputs.data).abs().max()) > 1e-2


@pytest.mark.parametrize("name", sorted({name for name, _ in _TRAPS}))
def test_images_have_as_many_tokens_as_in_the_reference(name: str, tmp_path: Path) -> None:
    golden = _golden(name)
    checkpoint = open_checkpoint(str(build_checkpoint(folder=tmp_path, **golden["build"])))
    variant = TOMORO if name == "colqwen3" else OPS
    rules = ImageRules.of(checkpoint, {}, variant.settings[IMAGE_TOKENS].default)
    for width, height, expected in golden["counts"]:
        rows, columns = rules.fit(width, height)
        assert rows * columns == expected, (width, height)


def test_tomoros_images_are_capped_by_its_code_and_not_in_vllm(folder_of: Any, loaded: Any, encode: Any) -> None:
    page = {"multi_modal_data": {"image": _pages(("page",))[0]}}
    (capped,) = encode(loaded("colqwen3"), [page])
    with LLM(str(folder_of("colqwen3")), compat="vllm") as model:
        (whole,) = encode(model, [page])
    image = loaded("colqwen3").get_tokenizer().convert_tokens_to_ids("<|image_pad|>")
    assert capped.prompt_token_ids.count(image) == 1240
    assert whole.prompt_token_ids.count(image) == 2080


def test_vectors_are_cut_before_they_get_length_one(loaded: Any, encode: Any, tmp_path: Path) -> None:
    texts = ["How deep is the well?", {"multi_modal_data": {"image": _pages()[0]}}]
    stored = _all(build_checkpoint("ops_colqwen3", tmp_path, config={"dims": 24}), texts, encode)
    asked = encode(loaded("ops_colqwen3"), texts, pooling_params=PoolingParams(dimensions=24))
    for one, other in zip(stored, asked, strict=True):
        assert one.outputs.data.shape[1] == 24
        assert_close(one.outputs.data.norm(dim=-1), np.ones(len(one.outputs.data)), tolerance=1e-6)
        assert_close(one.outputs.data, other.outputs.data, tolerance=2e-6)


@pytest.mark.parametrize(
    ("family", "unread"), [("nemotron_colembed", "lm_head.weight"), ("colqwen3_5", "mtp.fc.weight")]
)
def test_what_no_vector_comes_from_changes_none(
    family: str, unread: str, changed: Callable[..., Path], loaded: Any, encode: Any
) -> None:
    (found,) = _all(changed(family, unread, -2.0), ["a text"], encode)
    (expected,) = encode(loaded(family), ["a text"])
    assert (found.outputs.data == expected.outputs.data).all()
