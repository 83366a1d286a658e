"""A stranger's model, IO processor, routes and hooks: over HTTP and offline, with the same answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from cenote.testing.compare import assert_close

_TEXTS = ["A deep well.", "Bread and salt.", "water"]
_DATA = {"query": "water", "texts": ["A deep well.", "Bread and salt.", "waters"]}

_OFFLINE = """
import json, os, sys
os.environ["CENOTE_KERNELS"] = "l2_normalize:acme"
from cenote import LLM
from cenote.kernels import get_kernel
from cenote.media import MediaPolicy, load_media
texts, data = json.loads(sys.argv[2])
with LLM(sys.argv[1], io_processor_plugin="acme-nearest") as llm:
    vectors = [output.outputs.embedding for output in llm.embed(texts, use_tqdm=False)]
    (answer,) = llm.encode({"data": data}, pooling_task="plugin", use_tqdm=False)
    outputs = llm.encode(texts, pooling_task="acme_strength", use_tqdm=False)
    strengths = [output.outputs.data.item() for output in outputs]
    outputs = llm.score(texts[0], texts[1:], score_type="acme-nearness", use_tqdm=False)
    scores = [output.outputs.score for output in outputs]
found = {"vectors": vectors, "data": answer.outputs.data, "strengths": strengths, "scores": scores}
found |= {"pooling": llm.report()["pooling"], "kernel": get_kernel("l2_normalize").__module__}
found["picture"] = load_media("acme:dot", MediaPolicy())[:6].decode()
print(json.dumps(found, default=vars))
"""


@pytest.fixture(scope="module")
def peaks(acme_model: Path) -> list[Any]:
    """The vectors of the texts before they are normalised, by Acme's formulas, in numpy and token by token."""
    tensors = load_file(acme_model / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(acme_model / "tokenizer.json"))
    vectors = []
    for text in _TEXTS:
        rows = tensors["table"][tokenizer.encode(text).ids]
        states = [
            row + np.tanh(before @ tensors["mix"]) for row, before in zip(rows, [0 * rows[0], *rows], strict=False)
        ]
        vectors.append(np.array([max(column, key=abs) for column in np.transpose(states)]))
    return vectors


@pytest.fixture(scope="module")
def expected(peaks: list[Any]) -> list[Any]:
    """The vectors of the texts."""
    return [peak / np.linalg.norm(peak) for peak in peaks]


@pytest.fixture(scope="module")
def offline(installed: Any, acme_model: Path) -> dict[str, Any]:
    """What a program gets that asks the same without a server."""
    done = installed.run_python(_OFFLINE, str(acme_model), json.dumps([_TEXTS, _DATA]))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_model_is_served_by_the_formulas_of_its_authors(client: httpx.Client, expected: list[Any]) -> None:
    answer = client.post("/v1/embeddings", json={"model": "acme", "input": _TEXTS}).raise_for_status().json()
    assert_close([item["embedding"] for item in answer["data"]], expected, tolerance=1e-5)


def test_the_processor_answers_over_http(client: httpx.Client, expected: list[Any]) -> None:
    answer = client.post("/pooling", json={"data": _DATA}).raise_for_status().json()
    assert answer["request_id"].startswith("pooling-")
    assert answer["data"]["text"] == "waters"
    named = client.post("/pooling", json={"data": {**_DATA, "texts": _TEXTS}, "io_processor": "acme-nearest"})
    assert named.raise_for_status().json()["data"] == {"index": 2, "text": "water", "similarity": pytest.approx(1.0)}


@pytest.mark.parametrize("data", [{"query": "", "texts": ["a"]}, {"query": "water", "texts": ["a"] * 9}])
def test_wrong_data_is_a_bad_request_that_names_the_plugin(client: httpx.Client, data: dict[str, Any]) -> None:
    refused = client.post("/pooling", json={"data": data})
    assert refused.status_code == 400
    assert "IO processor 'acme-nearest' of cenote-acme 0.1.0" in refused.json()["error"]["message"]


def test_the_route_answers(client: httpx.Client, expected: list[Any]) -> None:
    answer = client.post("/acme/alike", json={"left": _TEXTS[0], "right": _TEXTS[1]}).raise_for_status().json()
    assert answer == {"model": "acme", "similarity": pytest.approx(float(expected[0] @ expected[1]), abs=1e-5)}


def test_both_are_in_the_openapi_document(client: httpx.Client) -> None:
    document = client.get("/openapi.json").raise_for_status().json()
    assert "/acme/alike" in document["paths"]
    assert "NearestRequest" in json.dumps(document)


def test_the_server_tells_what_takes_part_with_the_fingerprint_of_the_command_line(
    client: httpx.Client, installed: Any
) -> None:
    told = client.get("/v1/plugins").raise_for_status().json()
    states = {row["kind"]: row["state"] for row in told["data"] if row["distribution"] == "cenote-acme"}
    used = {kind for kind, state in states.items() if state == "active"}
    used.discard("kernel")  # imported by the first request whose vectors are normalised, to see whether it is for that
    assert used == {"architecture", "convert rule", "pooler", "task", "io processor", "routes", "hooks"}
    assert set(states.values()) == {"active", "discovered"}
    assert told["fingerprint"] == json.loads(installed.cenote("plugins", "list", "--json").stdout)["fingerprint"]
    assert told["fingerprint"] in installed.log()


def test_the_hooks_hear_of_the_server_and_of_requests(client: httpx.Client, installed: Any) -> None:
    client.post("/v1/embeddings", json={"input": "one more"}).raise_for_status()
    assert 'acme_texts_total{task="embed"}' in client.get("/metrics").raise_for_status().text
    assert "Acme sees the server at http://" in installed.log()


def test_the_same_answers_are_given_offline(client: httpx.Client, offline: dict[str, Any], expected: list[Any]) -> None:
    assert offline["pooling"] == "ACME_PEAK"
    assert_close(offline["vectors"], expected, tolerance=1e-5)
    assert offline["data"] == client.post("/pooling", json={"data": _DATA}).raise_for_status().json()["data"]


def test_its_task_is_answered(client: httpx.Client, offline: dict[str, Any], peaks: list[Any]) -> None:
    strengths = [float(np.linalg.norm(peak)) for peak in peaks]
    assert offline["strengths"] == pytest.approx(strengths, rel=1e-5)
    answer = client.post("/pooling", json={"input": _TEXTS, "task": "acme_strength"}).raise_for_status().json()
    assert [item["data"] for item in answer["data"]] == [pytest.approx([strength]) for strength in strengths]


def test_its_scores_are_given(client: httpx.Client, offline: dict[str, Any], expected: list[Any]) -> None:
    scores = [1 / (1 + float(np.linalg.norm(expected[0] - other))) for other in expected[1:]]
    assert offline["scores"] == pytest.approx(scores, abs=1e-5)
    body = {"text_1": _TEXTS[0], "text_2": _TEXTS[1:], "score_type": "acme-nearness"}
    answer = client.post("/score", json=body).raise_for_status().json()
    assert [item["score"] for item in answer["data"]] == pytest.approx(scores, abs=1e-5)


def test_its_precision_is_given(client: httpx.Client, expected: list[Any]) -> None:
    answer = client.post("/v1/embeddings", json={"input": _TEXTS[0], "output_dtype": "acme-ternary"})
    sizes = np.abs(expected[0])
    assert answer.raise_for_status().json()["data"][0]["embedding"] == list(
        np.where(sizes > sizes.mean(), np.sign(expected[0]), 0)
    )


def test_its_kernel_computes_and_its_pictures_are_loaded(offline: dict[str, Any]) -> None:
    assert offline["kernel"] == "cenote_acme.kernel"
    assert offline["picture"] == "GIF89a"
