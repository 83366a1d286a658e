"""Ways to be wrong without noticing: each would change scores far beyond the tolerance, and does not happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.testing.compare import assert_close
from cenote.testing.pictures import sample_picture

_FOLDER = Path(__file__).with_name("goldens")
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))
_TRAPS = [(name, trap) for name in _NAMES for trap in json.loads((_FOLDER / f"{name}.json").read_text())["flipped"]]
_PROJECTIONS = {name: "embedding_proj_layer.bias" for name in _NAMES} | {"modernvbert_flat": "custom_text_proj.bias"}
_TOLERANCE = 1e-4
#: Every trap moves some score by more than this.
_VISIBLE = 0.2
_PAGES = ("square", "wide", "tall")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


def _scores(folder: Path, name: str) -> list[float]:
    """Return the scores of the golden queries with pages."""
    golden = _golden(name)
    pages = [sample_picture(*golden["pictures"][page]) for page in _PAGES]
    with LLM(str(folder)) as model:
        queries = [row["text"] for row in golden["prompts"] if row["role"] == "query"]
        outputs = [output for query in queries for output in model.score(query, pages, use_tqdm=False)]
    return [output.outputs.score for output in outputs]


def _expected(scores: Mapping[str, Mapping[str, float]]) -> list[float]:
    return [row[page] for row in scores.values() for page in _PAGES]


@pytest.mark.parametrize(("name", "trap"), _TRAPS)
def test_a_model_with_this_fault_would_be_found_out(name: str, trap: str) -> None:
    golden = _golden(name)
    right, wrong = _expected(golden["scores"]), _expected(golden["flipped"][trap])
    assert np.abs(np.subtract(right, wrong)).max() > _VISIBLE


@pytest.mark.parametrize("name", _NAMES)
def test_the_bias_of_the_projection_is_added(name: str, edited: Callable[..., Path]) -> None:
    bias = _PROJECTIONS[name]
    folder = edited(name, tensors=lambda stored: {**stored, bias: stored[bias] * 0.0})
    assert_close(_scores(folder, name), _expected(_golden(name)["flipped"]["no bias"]), tolerance=_TOLERANCE)


@pytest.mark.parametrize("name", ["colmodernvbert", "modernvbert_flat"])
def test_pages_are_cut_into_tiles_where_the_files_say_so(name: str, edited: Callable[..., Path]) -> None:
    folder = edited(name, {"preprocessor_config.json": {"do_image_splitting": False}})
    assert_close(_scores(folder, name), _expected(_golden(name)["flipped"]["no tiles"]), tolerance=_TOLERANCE)


def test_the_words_beside_a_page_of_colpali_are_those_of_its_files(edited: Callable[..., Path]) -> None:
    folder = edited("colpali", {"processor_config.json": {"visual_prompt_prefix": ""}})
    expected = _golden("colpali")["flipped"]["no visual prompt"]
    assert_close(_scores(folder, "colpali"), _expected(expected), tolerance=_TOLERANCE)


@pytest.mark.parametrize("name", ["colpali", "colmodernvbert"])
def test_tokens_see_those_behind_them(name: str, loaded: Any, encode: Any) -> None:
    first, other = (found.outputs.data for found in encode(loaded(name), ["a b c", "a b d"], "query"))
    assert first.shape == other.shape
    assert (first[1] - other[1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["colmodernvbert", "modernvbert_flat"])
def test_the_head_of_the_vision_tower_changes_nothing(name: str, edited: Callable[..., Path]) -> None:
    folder = edited(
        name,
        tensors=lambda stored: {own: value * -2 if ".head." in own else value for own, value in stored.items()},
    )
    assert_close(_scores(folder, name), _expected(_golden(name)["scores"]), tolerance=_TOLERANCE)
