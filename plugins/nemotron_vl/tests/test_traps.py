"""Ways to be wrong without noticing: each would change scores far beyond the tolerance, and does not happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError
from cenote.testing.compare import assert_close
from cenote.testing.pictures import sample_picture

_FOLDER = Path(__file__).with_name("goldens")
_TRAPS = [
    (path.stem, trap) for path in sorted(_FOLDER.glob("*.json")) for trap in json.loads(path.read_text())["flipped"]
]
_TOLERANCE = 5e-5
#: Every trap moves some score by more than this.
_VISIBLE = 0.005
_EMBED, _RERANK = "llama_nemotron_vl", "llama_nemotron_vl_rerank"
_NAMES = ("document 0", "wide", "clear")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


def _expected(scores: Mapping[str, Mapping[str, float]]) -> list[float]:
    return [scores["query 0"][name] for name in _NAMES]


def _scores(model: LLM, name: str, **options: Any) -> list[float]:
    """Return the scores of the first golden query with a text and two pages."""
    golden = _golden(name)
    rows = {row["name"]: row for row in golden["prompts"]}
    query = rows["query 0"]["text"] if "query 0" in rows else golden["prompts"][0]["query"]
    pages = [sample_picture(*_golden(_EMBED)["pictures"][page]) for page in _NAMES[1:]]
    outputs = model.score(query, [rows["document 0"]["text"], *pages], use_tqdm=False, **options)
    return [output.outputs.score for output in outputs]


@pytest.mark.parametrize(("name", "trap"), _TRAPS)
def test_a_model_with_this_fault_would_be_found_out(name: str, trap: str) -> None:
    right, wrong = _golden(name)["scores"], _golden(name)["flipped"][trap]
    assert (
        max(abs(right[query][item] - score) for query, row in wrong.items() for item, score in row.items()) > _VISIBLE
    )


@pytest.mark.parametrize(
    ("trap", "changes"),
    [
        ("no prefix", {"query_prefix": "", "passage_prefix": ""}),
        ("one tile", {"max_input_tiles": 1}),
        ("no thumbnail", {"use_thumbnail": False}),
    ],
)
def test_an_embedder_heeds_what_its_files_say_of_prompts_and_tiles(
    trap: str, changes: dict[str, Any], edited: Callable[..., Path]
) -> None:
    with LLM(str(edited(_EMBED, {"processor_config.json": changes, "config.json": changes}))) as model:
        found = _scores(model, _EMBED, use_prompts=True)
    assert_close(found, _expected(_golden(_EMBED)["flipped"][trap]), tolerance=_TOLERANCE)


def test_a_score_is_divided_by_the_temperature(edited: Callable[..., Path]) -> None:
    with LLM(str(edited(_RERANK, {"config.json": {"temperature": 1.0}}))) as model:
        found = _scores(model, _RERANK)
    assert_close(found, _expected(_golden(_RERANK)["flipped"]["no temperature"]), tolerance=_TOLERANCE)


def test_a_score_is_a_logit_unless_asked_for_otherwise(folder_of: Callable[[str], Path]) -> None:
    with LLM(str(folder_of(_RERANK))) as model:
        raw = _scores(model, _RERANK)
        squashed = _scores(model, _RERANK, pooling_params=PoolingParams(use_activation=True))
    assert_close(raw, _expected(_golden(_RERANK)["scores"]), tolerance=_TOLERANCE)
    assert_close(squashed, _expected(_golden(_RERANK)["flipped"]["sigmoid"]), tolerance=_TOLERANCE)


def test_another_order_of_patches_is_refused_rather_than_read_wrongly(edited: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="ps_version"):
        LLM(str(edited(_EMBED, {"config.json": {"ps_version": "v1"}})))


def test_the_head_of_the_vision_tower_changes_nothing(edited: Callable[..., Path]) -> None:
    prefix = "vision_model.vision_model.head."
    folder = edited(_EMBED, rename=lambda name: None if name.startswith(prefix) else name)
    with LLM(str(folder)) as model:
        found = _scores(model, _EMBED, use_prompts=True)
    assert_close(found, _expected(_golden(_EMBED)["scores"]), tolerance=_TOLERANCE)


@pytest.mark.parametrize("lost", ["mlp1.0.bias", "mlp1.1.bias", "mlp1.3.bias"])
def test_every_bias_of_the_projection_counts(lost: str, edited: Callable[..., Path]) -> None:
    stored = load_file(edited(_EMBED) / "model.safetensors")
    folder = edited(_EMBED, rename=lambda name: name, added={lost: torch.zeros_like(stored[lost])})
    with LLM(str(folder)) as model:
        found = _scores(model, _EMBED, use_prompts=True)
    right = _expected(_golden(_EMBED)["scores"])
    assert_close(found[:1], right[:1], tolerance=_TOLERANCE)
    assert max(abs(one - other) for one, other in zip(found[1:], right[1:], strict=True)) > _VISIBLE
