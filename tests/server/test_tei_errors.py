"""Every error of text-embeddings-inference's dialect: its status, and its body."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file, save_file

from cenote.engine import AsyncLLM

SENTENCES = {"source_sentence": "a", "sentences": ["b"]}
ROUTES = ("/", "/embed", "/embed_all", "/embed_sparse", "/predict", "/similarity", "/decode")
BODIES: dict[str, dict[str, Any]] = {"/similarity": {"inputs": SENTENCES}, "/decode": {"ids": [101]}}


def _refused(answer: httpx.Response, status: int, kind: str) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"error", "error_type"}
    assert body["error_type"] == kind
    assert isinstance(body["error"], str)
    assert body["error"]
    return body["error"]


def _post(client: httpx.Client, url: str, status: int, kind: str, **body: Any) -> str:
    return _refused(client.post(url, json=body), status, kind)


@pytest.mark.parametrize("url", ["/embed", "/embed_all", "/tokenize"])
@pytest.mark.parametrize("inputs", ["", [], [""], ["a", ""]])
def test_nothing_to_read_is_400_empty(client: httpx.Client, url: str, inputs: Any) -> None:
    _post(client, url, 400, "Empty", inputs=inputs)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/embed", {"inputs": [[]]}),
        ("/embed", {"inputs": [[101], []]}),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}),
        ("/similarity", {"inputs": {"source_sentence": "", "sentences": ["a"]}}),
        ("/rerank", {"query": "a", "texts": []}),
        ("/rerank", {"query": "", "texts": ["a", ""]}),
        ("/decode", {"ids": []}),
    ],
)
def test_an_empty_part_is_400_empty(client: httpx.Client, url: str, body: dict[str, Any]) -> None:
    _post(client, url, 400, "Empty", **body)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/embed", {}),
        ("/embed", {"inputs": 5}),
        ("/embed", {"inputs": [1.5]}),
        ("/embed", {"inputs": [True]}),
        ("/embed", {"inputs": ["a", 1]}),
        ("/embed", {"inputs": [[1, "a"]]}),
        ("/embed", {"inputs": [-1]}),
        ("/embed", {"inputs": [2**70]}),
        ("/embed", {"inputs": {"text": "a"}}),
        ("/embed", {"inputs": "a", "normalize": "yes"}),
        ("/embed", {"inputs": "a", "truncate": 1}),
        ("/embed", {"inputs": "a", "truncation_direction": "up"}),
        ("/embed", {"inputs": "a", "dimensions": 0}),
        ("/embed", {"inputs": "a", "dimensions": 64}),
        ("/embed", {"inputs": "a", "prompt_name": "nothing"}),
        ("/embed", {"inputs": "a", "input_type": "poem"}),
        ("/embed", {"inputs": "a " * 600}),
        ("/similarity", {"inputs": "a"}),
        ("/similarity", {"inputs": {"source_sentence": "a"}}),
        ("/similarity", {"inputs": SENTENCES, "parameters": {"truncate": "x"}}),
        ("/rerank", {"query": 1, "texts": ["a"]}),
        ("/rerank", {"texts": ["a"]}),
        ("/rerank", {"query": "a", "texts": ["a", 1]}),
        ("/rerank", {"query": "a", "texts": ["a"], "raw_scores": "x"}),
        ("/rerank", {"query": "a", "texts": ["a " * 600]}),
        ("/tokenize", {"inputs": 5}),
        ("/tokenize", {"inputs": ["a", 5]}),
        ("/tokenize", {"inputs": "a", "prompt_name": "nothing"}),
        ("/tokenize", {"inputs": "a" * 1_000_001}),
        ("/decode", {"ids": "a"}),
        ("/decode", {"ids": [["a"]]}),
        ("/decode", {"ids": [99_999]}),
        ("/decode", {"ids": [1, [2]]}),
    ],
)
def test_what_can_never_succeed_is_422_validation(client: httpx.Client, url: str, body: dict[str, Any]) -> None:
    _post(client, url, 422, "Validation", **body)


@pytest.mark.parametrize("inputs", ["a", [["a", "b", "c"]], [[]], ["a", "b", "c"], [1], 5, [["a"], "b"]])
def test_predictions_check_the_shape_of_inputs(start_server: Any, classifying: AsyncLLM, inputs: Any) -> None:
    with start_server(engine=classifying, names=("labels",)) as running:
        answer = httpx.post(running.url + "/predict", json={"inputs": inputs})
        if inputs == "a":
            assert answer.status_code == 200
        else:
            _refused(answer, 422, "Validation")


@pytest.fixture(scope="module")
def classifying(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from cenote.testing.checkpoints import build_checkpoint

    engine = AsyncLLM(str(build_checkpoint("bert_classifier", tmp_path_factory.mktemp("c"))))
    yield engine
    asyncio.run(engine.shutdown())


def test_a_token_id_out_of_vocabulary_is_422_tokenizer(client: httpx.Client) -> None:
    assert "30521" in _post(client, "/embed", 422, "Tokenizer", inputs=[99_999])


@pytest.mark.parametrize("url", ROUTES)
def test_a_body_that_is_no_json_object_is_422_and_another_type_400(client: httpx.Client, url: str) -> None:
    headers = {"Content-Type": "application/json"}
    _refused(client.post(url, content=b"{", headers=headers), 422, "Validation")
    _refused(client.post(url, content=b"[]", headers=headers), 422, "Validation")
    _refused(client.post(url, content=b"{}"), 400, "Validation")


@pytest.mark.parametrize("url", ["/embed_sparse", "/predict"])
def test_what_no_model_can_do_is_424_backend(client: httpx.Client, url: str) -> None:
    assert "embed, token_embed" in _post(client, url, 424, "Backend", inputs="a")


def test_a_classifier_gives_no_embeddings(start_server: Any, classifying: AsyncLLM) -> None:
    with start_server(engine=classifying, names=("labels",)) as running, httpx.Client(base_url=running.url) as own:
        for url in ("/embed", "/embed_all", "/similarity"):
            _post(own, url, 424, "Backend", **BODIES.get(url, {"inputs": "a"}))
        _post(own, "/", 424, "Backend", query="a", texts=["b"])


@pytest.mark.parametrize("url", [*ROUTES, "/tokenize", "/rerank"])
def test_an_unknown_model_is_404(client: httpx.Client, url: str) -> None:
    body = {"/rerank": {"query": "a", "texts": ["b"]}}.get(url) or BODIES.get(url) or {"inputs": "a"}
    assert "all-MiniLM-L6-v2" in _post(client, url, 404, "Validation", model="none", **body)


def test_too_many_inputs_are_413_and_so_is_a_long_body(start_server: Any) -> None:
    limits = {"max_items_per_request": 2, "max_body_bytes": 1000}
    with start_server(**limits) as running, httpx.Client(base_url=running.url) as own:
        assert "max_client_batch_size" in _post(own, "/embed", 413, "Validation", inputs=["a", "b", "c"])
        _post(own, "/embed_all", 413, "Validation", inputs=["a", "b", "c"])
        _post(own, "/tokenize", 413, "Validation", inputs=["a", "b", "c"])
        _post(own, "/decode", 413, "Validation", ids=[[1], [2], [3]])
        _post(own, "/rerank", 413, "Validation", query="a", texts=["a", "b", "c"])
        _post(own, "/similarity", 413, "Validation", inputs={"source_sentence": "a", "sentences": ["b", "c"]})
        _post(own, "/embed", 413, "Validation", inputs="a" * 2000)


def test_too_many_inputs_are_413_before_any_is_looked_at(start_server: Any) -> None:
    with start_server(max_items_per_request=2) as running, httpx.Client(base_url=running.url) as own:
        for url in ("/embed", "/embed_all", "/embed_sparse", "/tokenize"):
            _post(own, url, 413, "Validation", inputs=["a", "b", 5.5])
        _post(own, "/predict", 413, "Validation", inputs=[["a"], ["b"], 5.5])
        _post(own, "/decode", 413, "Validation", ids=[[1], [2], "a"])
        _post(own, "/rerank", 413, "Validation", query="a", texts=["a", "b", 5])
        _post(own, "/similarity", 413, "Validation", inputs={"source_sentence": "a", "sentences": ["b", "c", 5]})
        assert own.post("/embed", json={"inputs": [101, 102, 103]}).status_code == 200


def test_a_missing_key_is_401_in_this_dialect(start_server: Any) -> None:
    with start_server(api_keys=("right",)) as running, httpx.Client(base_url=running.url) as own:
        for url in ROUTES:
            answer = own.post(url, json=BODIES.get(url, {"inputs": "a"}))
            _refused(answer, 401, "Unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        _refused(own.get("/info"), 401, "Unauthorized")
        _refused(own.get("/"), 401, "Unauthorized")
        own.headers["Authorization"] = "Bearer right"
        assert own.post("/embed", json={"inputs": "a"}).status_code == 200
        assert own.get("/info").status_code == 200


def test_a_wrong_verb_is_405_in_this_dialect(client: httpx.Client) -> None:
    _refused(client.get("/embed"), 405, "Validation")


def test_a_full_queue_is_429_overloaded(model_folder: Path, start_server: Any, until: Any) -> None:
    small = AsyncLLM(str(model_folder), max_num_queued_reqs=1)
    small.pause()
    with start_server(engine=small, names=("small",)) as running:
        url, body = running.url + "/embed", {"inputs": "a"}
        first = threading.Thread(target=lambda: httpx.post(url, json=body, timeout=60))
        first.start()
        until(lambda: small.stats().waiting == 1)
        answer = httpx.post(url, json=body)
        _refused(answer, 429, "Overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        small.resume()
        first.join()
    asyncio.run(small.shutdown())


def test_an_engine_that_stopped_is_503_unhealthy(model_folder: Path, start_server: Any) -> None:
    stopped = AsyncLLM(str(model_folder))
    with start_server(engine=stopped, names=("stopped",)) as running:
        asyncio.run(stopped.shutdown())
        _refused(httpx.post(running.url + "/embed", json={"inputs": "a"}), 503, "Unhealthy")


def test_a_request_beyond_the_deadline_is_504_backend(start_server: Any, paused: AsyncLLM) -> None:
    with start_server(request_timeout=0.2) as running:
        _refused(httpx.post(running.url + "/embed", json={"inputs": "a"}), 504, "Backend")


def test_a_result_that_is_not_finite_is_424_backend(start_server: Any, model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "poisoned"))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][29_000] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    broken = AsyncLLM(str(folder), served_model_name="broken")
    with start_server(engine=broken, names=("broken",)) as running:
        _refused(httpx.post(running.url + "/embed", json={"inputs": [101, 29_000, 102]}), 424, "Backend")
    asyncio.run(broken.shutdown())


def test_native_bodies_on_shared_routes_keep_the_native_envelope(client: httpx.Client) -> None:
    assert client.post("/tokenize", json={"prompt": 1}).json()["error"]["code"] == 400
    assert client.post("/rerank", json={"query": "a", "documents": []}).json()["error"]["code"] == 400
