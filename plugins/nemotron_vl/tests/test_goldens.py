"""Prompts, tokens, vectors and logits equal those of the references: the files in `goldens`.

They are written by `scripts/nemotron_vl_goldens.py`.
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
from cenote_nemotron_vl.tiling import choose_grid, possible_grids

_FOLDER = Path(__file__).with_name("goldens")
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))
_EMBEDDERS = [name for name in _NAMES if "rerank" not in name]
_RERANKERS = [name for name in _NAMES if "rerank" in name]
_VECTORS, _LOGITS = 1e-5, 5e-5
_SERVED = ("llama_nemotron_vl", "llama_nemotron_vl_rerank")


@cache
def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


@cache
def _picture(name: str) -> Any:
    return sample_picture(*_golden("llama_nemotron_vl")["pictures"][name])


@pytest.fixture(scope="module")
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
    """Return a prompt for `encode`; one with an image that is for neither side is a message of a user."""
    if row["role"] == "" and row["picture"]:
        parts = [{"type": "text", "text": row["text"]}, {"type": "image_pil", "image_pil": _picture(row["picture"])}]
        return {"messages": [{"role": "user", "content": parts}]}
    if row["picture"] is None:
        return row["text"]
    text = {"prompt": row["text"]} if row["text"] else {}
    return {"multi_modal_data": {"image": _picture(row["picture"])}, **text}


def _document(row: Mapping[str, Any]) -> Any:
    if row["picture"] is None:
        return row["text"]
    text = [{"type": "text", "text": row["text"]}] if row["text"] else []
    return {"content": [{"type": "image_pil", "image_pil": _picture(row["picture"])}, *text]}


def _check_prompt(model: LLM, row: Mapping[str, Any], output: Any) -> None:
    """Check ids, and that they are those of the prompt as the reference writes it."""
    ids = output.prompt_token_ids
    assert ids == row["ids"], (row["name"], model.get_tokenizer().decode(ids, skip_special_tokens=False))
    seen = "<img>" + "<IMG_CONTEXT>" * row["visual_tokens"] + "</img>"
    written = row["written"].replace("<image>", seen, 1) if row["tiles"] else row["written"]
    assert model.get_tokenizer().decode(ids, skip_special_tokens=False) == "<|begin_of_text|>" + written
    assert row["visual_tokens"] == 4 * row["tiles"]


@pytest.mark.parametrize("golden", _EMBEDDERS, indirect=True, scope="module")
def test_prompts_and_vectors_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    for row in golden["prompts"]:
        role = row["role"] or None
        (output,) = model.encode([_prompt(row)], pooling_task="embed", role=role, use_tqdm=False)
        _check_prompt(model, row, output)
        assert_close(output.outputs.data, row["vector"], tolerance=_VECTORS, name=row["name"])


@pytest.mark.parametrize("golden", _EMBEDDERS, indirect=True, scope="module")
def test_vectors_are_those_of_the_reference_when_all_are_read_at_once(model: LLM, golden: Mapping[str, Any]) -> None:
    assert model.report()["execution"].startswith("packed")
    for role in ("query", "document"):
        rows = [row for row in golden["prompts"] if row["role"] == role]
        outputs = model.encode([_prompt(row) for row in rows], pooling_task="embed", role=role, use_tqdm=False)
        for row, output in zip(rows, outputs, strict=True):
            assert_close(output.outputs.data, row["vector"], tolerance=_VECTORS, name=row["name"])


@pytest.mark.parametrize("golden", _EMBEDDERS, indirect=True, scope="module")
def test_scores_of_embedders_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    rows = {row["name"]: row for row in golden["prompts"]}
    for query, scores in golden["scores"].items():
        documents = [_document(rows[name]) for name in scores]
        outputs = model.score(rows[query]["text"], documents, use_prompts=True, use_tqdm=False)
        assert_close([output.outputs.score for output in outputs], list(scores.values()), tolerance=_VECTORS)


@pytest.mark.parametrize("golden", _RERANKERS, indirect=True, scope="module")
def test_pairs_and_logits_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    for row in golden["prompts"]:
        (output,) = model.score(row["query"], [_document(row)], use_tqdm=False)
        _check_prompt(model, row, output)
        assert_close([output.outputs.score], [row["logit"]], tolerance=_LOGITS, name=row["name"])


@pytest.mark.parametrize("golden", _RERANKERS, indirect=True, scope="module")
def test_logits_are_those_of_the_reference_when_all_are_read_at_once(model: LLM, golden: Mapping[str, Any]) -> None:
    rows = {row["name"]: row for row in golden["prompts"]}
    queries = {row["query"]: None for row in golden["prompts"]}
    for query, scores in zip(queries, golden["scores"].values(), strict=True):
        outputs = model.score(query, [_document(rows[name]) for name in scores], use_tqdm=False)
        assert_close([output.outputs.score for output in outputs], list(scores.values()), tolerance=_LOGITS)


def test_images_of_all_shapes_are_cut_as_by_the_reference() -> None:
    for width, height, most, *grid in _golden("llama_nemotron_vl")["grids"]:
        found = choose_grid(width, height, possible_grids(1, most), 512)
        assert list(found) == grid, (width, height, most)


@pytest.fixture(scope="module")
def client(folder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one server of both models: to start a process takes longer than what is asked of it."""
    assert all(_golden(name)["build"] == {"name": name} for name in _SERVED)
    models = [f"{name}={folder_of(name)}" for name in _SERVED]
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, *models) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_a_server_gives_the_vectors_of_the_reference_by_role(client: httpx.Client) -> None:
    rows = {row["name"]: row for row in _golden("llama_nemotron_vl")["prompts"]}
    for name in ("query 0", "document 0", "square", "tall", "both", "other", "other both"):
        row = rows[name]
        text = [{"type": "text", "text": row["text"]}] if row["text"] else []
        image = [_part(row["picture"])] if row["picture"] else []
        message = {"role": row["role"] or "user", "content": [*text, *image]}
        body = {"model": "llama_nemotron_vl", "messages": [message]}
        answer = client.post("/v1/embeddings", json=body).raise_for_status().json()
        assert answer["usage"]["prompt_tokens"] == len(row["ids"])
        assert_close(answer["data"][0]["embedding"], row["vector"], tolerance=_VECTORS, name=name)


def test_a_server_gives_the_logits_of_the_reference(client: httpx.Client) -> None:
    golden = _golden("llama_nemotron_vl_rerank")
    rows = {row["name"]: row for row in golden["prompts"] if row["query"] == golden["prompts"][0]["query"]}
    names = ["document 0", "wide", "both", "clear"]
    documents = [_content(rows[name]) for name in names]
    expected = [rows[name]["logit"] for name in names]
    asked: dict[str, Any] = {"model": "llama_nemotron_vl_rerank", "documents": documents}
    body = {**asked, "queries": rows["wide"]["query"]}
    scored = client.post("/score", json=body).raise_for_status().json()["data"]
    assert_close([row["score"] for row in scored], expected, tolerance=_LOGITS)
    body = {**asked, "query": rows["wide"]["query"]}
    ranked = client.post("/rerank", json=body).raise_for_status().json()["results"]
    assert [row["index"] for row in ranked] == list(np.argsort(expected)[::-1])
    found = {row["index"]: row["relevance_score"] for row in ranked}
    assert_close([found[index] for index in range(len(names))], expected, tolerance=_LOGITS)


def _content(row: Mapping[str, Any]) -> Any:
    text = [{"type": "text", "text": row["text"]}] if row["text"] else []
    return row["text"] if row["picture"] is None else {"content": [_part(row["picture"]), *text]}


def _part(name: str) -> dict[str, Any]:
    data = io.BytesIO()
    _picture(name).save(data, "PNG")
    address = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": address}}
