"""Tokens, vectors and scores equal those of the models' references: the files in `goldens`.

They are written by `scripts/colqwen_goldens.py`.
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
#: A page of two thousand tokens in linear attention: the reference in float32 is itself 3e-5 off its values in float64.
_LOOSE = {("colqwen3_5", "page"): 1e-4}
_IMAGE = "<|image_pad|>"
_SERVED = ("colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    with np.load(_FOLDER / f"{name}.npz") as arrays:
        return {**content, "vectors": dict(arrays)}


@cache
def _picture(name: str) -> Any:
    return sample_picture(*_golden("colqwen3")["pictures"][name])


@pytest.fixture(scope="module", params=_NAMES)
def golden(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """The numbers of one look-alike."""
    return _golden(request.param)


@pytest.fixture(scope="module")
def folder(golden: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike."""
    return build_checkpoint(folder=tmp_path_factory.mktemp("golden") / "model", **golden["build"])


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[LLM]:
    """The look-alike, loaded."""
    with LLM(str(folder)) as llm:
        yield llm


def _prompt(row: Mapping[str, Any]) -> Any:
    if row["picture"] is None:
        return row["text"]
    text = {"prompt": row["text"]} if row["text"] else {}
    return {"multi_modal_data": {"image": _picture(row["picture"])}, **text}


def _encode(model: LLM, rows: list[Any], role: Any) -> list[Any]:
    return model.encode([_prompt(row) for row in rows], pooling_task="token_embed", role=role, use_tqdm=False)


def _check(golden: Mapping[str, Any], row: Mapping[str, Any], output: Any, prefix: str = "") -> None:
    found = output.outputs.data.numpy()
    assert len(found) == len(output.prompt_token_ids)
    name = prefix + row["name"]
    tolerance = _LOOSE.get((golden["build"]["name"], name), _VECTORS)
    assert_close(found[:: row["step"]], golden["vectors"][name], tolerance=tolerance, name=name)


def _whole(row: Mapping[str, Any], image: int) -> list[int]:
    """Return the ids with one placeholder for each patch."""
    return [own for token in row["ids"] for own in ([token] * row["visual_tokens"] if token == image else [token])]


def test_tokens_and_vectors_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    image = model.get_tokenizer().convert_tokens_to_ids(_IMAGE)
    for row in golden["prompts"]:
        (output,) = _encode(model, [row], row["role"])
        assert output.prompt_token_ids == _whole(row, image), row["name"]
        assert output.prompt_token_ids.count(image) == row["visual_tokens"], row["name"]
        _check(golden, row, output)


def test_vectors_are_those_of_the_reference_when_all_are_read_at_once(model: LLM, golden: Mapping[str, Any]) -> None:
    assert model.report()["execution"].startswith("packed")
    for role in ("query", "document"):
        rows = [row for row in golden["prompts"] if row["role"] == role]
        for row, output in zip(rows, _encode(model, rows, role), strict=True):
            _check(golden, row, output)


def test_scores_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    rows = {row["name"]: row for row in golden["prompts"]}
    for query, scores in golden["scores"].items():
        # The page is long: once is enough.
        expected = {name: score for name, score in scores.items() if name != "page" or query == "query 0"}
        documents = [_item(rows[name]) for name in expected]
        outputs = model.score(rows[query]["text"], documents, use_tqdm=False)
        assert_close([output.outputs.score for output in outputs], list(expected.values()), tolerance=_SCORES)


def test_with_vllms_prompts_vectors_are_those_of_vllms_computation(folder: Path, golden: Mapping[str, Any]) -> None:
    with LLM(str(folder), compat="vllm") as model:
        image = model.get_tokenizer().convert_tokens_to_ids(_IMAGE)
        for row in golden["vllm"]:
            (output,) = _encode(model, [row], row["role"])
            assert output.prompt_token_ids == _whole(row, image), row["name"]
            _check(golden, row, output, "vllm ")


@pytest.fixture(scope="module")
def client(folder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one server of several look-alikes: to start a process takes longer than what is asked of it."""
    assert all(_golden(name)["build"] == {"name": name} for name in _SERVED)
    models = [f"{name}={folder_of(name)}" for name in _SERVED]
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, *models) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.mark.parametrize("name", _SERVED)
def test_a_server_gives_the_scores_and_vectors_of_the_reference(name: str, client: httpx.Client) -> None:
    golden = _golden(name)
    rows = {row["name"]: row for row in golden["prompts"]}
    small = ["document 0", "square", "wide", "clear"]
    wanted = {"model": name, "task": "token_embed"}
    query = {**wanted, "input": rows["query 0"]["text"], "input_type": "query"}
    answers = {"query 0": client.post("/pooling", json=query).raise_for_status().json()}
    for page in ("wide", "clear"):
        message = {"role": "user", "content": [_part(page)]}
        body = {**wanted, "messages": [message], "input_type": "document"}
        answers[page] = client.post("/pooling", json=body).raise_for_status().json()
    documents = [_content(rows[each]) for each in small]
    body = {"model": name, "queries": rows["query 0"]["text"], "documents": documents}
    scores = [row["score"] for row in client.post("/score", json=body).raise_for_status().json()["data"]]
    for each, answer in answers.items():
        assert_close(answer["data"][0]["data"], golden["vectors"][each], tolerance=_VECTORS, name=each)
    assert_close(scores, [golden["scores"]["query 0"][each] for each in small], tolerance=_SCORES)


def _item(row: Mapping[str, Any]) -> Any:
    """Return an item of `score`."""
    if row["picture"] is None:
        return row["text"]
    text = [{"type": "text", "text": row["text"]}] if row["text"] else []
    return {"content": [{"type": "image_pil", "image_pil": _picture(row["picture"])}, *text]}


def _content(row: Mapping[str, Any]) -> Any:
    return row["text"] if row["picture"] is None else {"content": [_part(row["picture"])]}


def _part(name: str) -> dict[str, Any]:
    data = io.BytesIO()
    _picture(name).save(data, "PNG")
    address = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": address}}
