"""Vectors, their tokens, and scores equal those of the models' own libraries: the files in `goldens`.

They are written by `scripts/colbert_reference.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote import LLM, PoolingParams
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.live import serving
from cenote.testing.texts import sample_texts

_FOLDER = Path(__file__).with_name("goldens")
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))
#: The references cut what is too long.
_CUT = {"truncate_prompt_tokens": -1}
_TOLERANCE = 2e-5
_SIDES = {"queries": "query", "documents": "document"}


@cache
def _golden(name: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


@pytest.fixture(scope="module", params=_NAMES)
def golden(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """The numbers of one look-alike."""
    return _golden(request.param)


@pytest.fixture(scope="module")
def model(golden: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """The look-alike, loaded."""
    folder = build_checkpoint(golden["family"], tmp_path_factory.mktemp("golden") / "model", **golden["build"])
    with LLM(str(folder), hf_overrides={"late_interaction": golden["settings"]}) as llm:
        yield llm


def _encode(model: LLM, texts: list[str], role: Any, params: PoolingParams | None = None) -> list[Any]:
    return model.encode(
        texts, params, pooling_task="token_embed", role=role, use_tqdm=False, tokenization_kwargs=dict(_CUT)
    )


@pytest.mark.parametrize("side", _SIDES)
def test_tokens_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any], side: str) -> None:
    for row in golden[side]:
        (output,) = _encode(model, [row["text"]], _SIDES[side])
        assert output.prompt_token_ids == row["ids"], row["text"]
        assert output.outputs.positions == row["positions"], row["text"]


@pytest.mark.parametrize("side", _SIDES)
def test_vectors_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any], side: str) -> None:
    for row in golden[side]:
        (output,) = _encode(model, [row["text"]], _SIDES[side])
        assert_close(output.outputs.data, row["vectors"], tolerance=_TOLERANCE, name=repr(row["text"]))


def test_the_numbers_are_those_of_packed_execution(model: LLM) -> None:
    assert model.report()["execution"].startswith("packed")


@pytest.mark.parametrize("side", _SIDES)
def test_many_others_in_the_same_pass_change_nothing(model: LLM, golden: Mapping[str, Any], side: str) -> None:
    company = sample_texts()
    texts = [text for row in golden[side] for text in (*company[:5], row["text"], *company[5:9])]
    outputs = _encode(model, texts, _SIDES[side])[5::10]
    for row, output in zip(golden[side], outputs, strict=True):
        assert_close(output.outputs.data, row["vectors"], tolerance=_TOLERANCE, name=repr(row["text"]))


def test_pooled_vectors_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    for row in golden["pooled"]:
        params = PoolingParams(pool_factor=row["pool_factor"])
        (output,) = _encode(model, [row["text"]], "document", params)
        assert_close(output.outputs.data, row["vectors"], tolerance=_TOLERANCE, name=f"factor {row['pool_factor']}")


def test_scores_are_those_of_the_reference(model: LLM, golden: Mapping[str, Any]) -> None:
    documents = [row["text"] for row in golden["documents"]]
    for number, row in enumerate(golden["queries"]):
        expected = [item["score"] for item in golden["scores"] if item["query"] == number]
        outputs = model.score(row["text"], documents, use_tqdm=False, tokenization_kwargs=dict(_CUT))
        assert_close([output.outputs.score for output in outputs], expected, tolerance=_TOLERANCE, name=row["text"])


def test_a_server_gives_the_scores_and_vectors_of_the_reference(tmp_path: Path) -> None:
    golden = _golden("gte_moderncolbert")
    folder = build_checkpoint(golden["family"], tmp_path / "model", **golden["build"])
    query, document = golden["queries"][0], golden["documents"][2]
    wanted = {"task": "token_embed", "return_positions": True, **_CUT}
    with serving(tmp_path / "log", str(folder)) as address, httpx.Client(base_url=address, timeout=60) as client:
        body = {"queries": query["text"], "documents": [row["text"] for row in golden["documents"]], **_CUT}
        scores = [row["score"] for row in client.post("/score", json=body).json()["data"]]
        sides = {"query": query, "document": document}
        rows = {
            role: client.post("/pooling", json={"input": row["text"], "input_type": role, **wanted}).json()["data"][0]
            for role, row in sides.items()
        }
    assert_close(scores, [row["score"] for row in golden["scores"] if row["query"] == 0], tolerance=_TOLERANCE)
    for role, row in sides.items():
        assert_close(rows[role]["data"], row["vectors"], tolerance=_TOLERANCE, name=role)
        assert rows[role]["positions"] == row["positions"]
