"""Tokens, vectors and scores equal those of transformers: the files in `goldens`.

They are written by `scripts/colpali_goldens.py`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.live import serving
from cenote.testing.pictures import sample_picture

_FOLDER = Path(__file__).with_name("goldens")
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))
_VECTORS, _SCORES = 2e-5, 1e-4
_SERVED = ("colpali", "colmodernvbert")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    with np.load(_FOLDER / f"{name}.npz") as arrays:
        return {**content, "vectors": dict(arrays)}


@cache
def _picture(name: str) -> Any:
    return sample_picture(*_golden("colpali")["pictures"][name])


@pytest.fixture(scope="module", params=_NAMES)
def golden(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """The numbers of one look-alike."""
    return _golden(request.param)


@pytest.fixture(scope="module")
def model(golden: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """The look-alike, loaded."""
    folder = build_checkpoint(folder=tmp_path_factory.mktemp("golden") / "model", **golden["build"])
    with LLM(str(folder)) as llm:
        yield llm


def _prompt(row: Mapping[str, Any]) -> Any:
    return row["text"] if row["picture"] is None else {"multi_modal_data": {"image": _picture(row["picture"])}}


def _encode(model: LLM, prompts: list[Any], role: Any) -> list[Any]:
    return model.encode(prompts, pooling_task="token_embed", role=role, use_tqdm=False)


def test_prompts_tokens_and_vectors_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    tokenizer = model.get_tokenizer()
    image = tokenizer.convert_tokens_to_ids("<image>")
    for row in golden["prompts"]:
        (output,) = _encode(model, [_prompt(row)], row["role"])
        assert output.prompt_token_ids == row["ids"], row["name"]
        assert tokenizer.decode(output.prompt_token_ids, skip_special_tokens=False) == row["written"]
        assert output.prompt_token_ids.count(image) == row["visual_tokens"]
        assert_close(output.outputs.data, golden["vectors"][row["name"]], tolerance=_VECTORS, name=row["name"])


def test_vectors_are_those_of_the_reference_when_all_are_read_at_once(model: LLM, golden: Mapping[str, Any]) -> None:
    assert model.report()["execution"].startswith("packed")
    for role in ("query", "document"):
        rows = [row for row in golden["prompts"] if row["role"] == role]
        for row, output in zip(rows, _encode(model, [_prompt(row) for row in rows], role), strict=True):
            assert_close(output.outputs.data, golden["vectors"][row["name"]], tolerance=_VECTORS, name=row["name"])


def test_images_of_all_shapes_have_the_tokens_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    for width, height, tokens in golden["counts"]:
        prompt = {"multi_modal_data": {"image": sample_picture(width, height)}}
        (output,) = _encode(model, [prompt], "document")
        assert len(output.prompt_token_ids) == tokens, (width, height)


def test_scores_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    texts = {row["name"]: row["text"] for row in golden["prompts"]}
    for query, scores in golden["scores"].items():
        outputs = model.score(texts[query], [_picture(name) for name in scores], use_tqdm=False)
        assert_close([output.outputs.score for output in outputs], list(scores.values()), tolerance=_SCORES)


@pytest.fixture(scope="module")
def client(folder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one server of both look-alikes: to start a process takes longer than what is asked of it."""
    assert all(_golden(name)["build"] == {"name": name} for name in _SERVED)
    models = [f"{name}={folder_of(name)}" for name in _SERVED]
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, *models) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.mark.parametrize("name", _SERVED)
def test_a_server_gives_the_scores_and_vectors_of_the_reference(name: str, client: httpx.Client) -> None:
    golden = _golden(name)
    query = next(row["text"] for row in golden["prompts"] if row["name"] == "query 0")
    pages = ["square", "wide", "clear"]
    wanted = {"model": name, "task": "token_embed"}
    body: dict[str, Any] = {**wanted, "input": query, "input_type": "query"}
    answers = {"query 0": client.post("/pooling", json=body).raise_for_status().json()}
    for page in pages:
        message = {"role": "user", "content": [_part(page)]}
        body = {**wanted, "messages": [message], "input_type": "document"}
        answers[page] = client.post("/pooling", json=body).raise_for_status().json()
    body = {"model": name, "query": query, "documents": [{"content": [_part(page)]} for page in pages]}
    ranked = client.post("/rerank", json=body).raise_for_status().json()["results"]
    for each, answer in answers.items():
        assert_close(answer["data"][0]["data"], golden["vectors"][each], tolerance=_VECTORS, name=each)
    scores = [row["relevance_score"] for row in sorted(ranked, key=lambda row: row["index"])]
    assert_close(scores, [golden["scores"]["query 0"][page] for page in pages], tolerance=_SCORES)


def _part(name: str) -> dict[str, Any]:
    data = io.BytesIO()
    _picture(name).save(data, "PNG")
    address = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": address}}
