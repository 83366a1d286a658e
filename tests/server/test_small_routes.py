"""Models, health, version, load, documentation and metrics."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import cenote
from cenote.config.server import ServerConfig
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest
from cenote.registry import API_VERSION, default_registry, fingerprint
from cenote.server import build_app
from cenote.server.sockets import bind_sockets


def samples(url: str) -> dict[tuple[str, ...], float]:
    """Return every sample of /metrics by name and sorted labels."""
    text = httpx.get(url + "/metrics").text
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_models_are_listed_once_per_name(start_server: Any, model_folder: Path) -> None:
    with start_server(names=("first", "second")) as running:
        answer = httpx.get(running.url + "/v1/models").json()
        assert answer["object"] == "list"
        assert [card["id"] for card in answer["data"]] == ["first", "second"]
        card = answer["data"][1]
        assert card["object"] == "model"
        assert card["owned_by"] == "cenote"
        assert card["root"] == "first"
        assert card["parent"] is None
        assert card["max_model_len"] == 256
        assert card["permission"][0]["object"] == "model_permission"
        assert str(model_folder) not in str(answer)
        for name in ("first", "second", None, ""):
            embedded = httpx.post(running.url + "/v1/embeddings", json={"input": "x", "model": name}).json()
            assert embedded["model"] == "first"
        refused = httpx.post(running.url + "/v1/embeddings", json={"input": "x", "model": "second", "dimensions": 4})
        assert refused.json()["error"]["message"].startswith('Model "second" does not support matryoshka')


def test_two_engines_answer_under_their_own_names(engine: AsyncLLM, model_folder: Path, start_server: Any) -> None:
    other = AsyncLLM(str(model_folder), pooler_config={"pooling_type": "CLS"})
    try:
        with start_server(engine={"mean": engine, "cls": other}) as running:
            asked = {
                name: httpx.post(running.url + "/v1/embeddings", json={"input": "x y z", "model": name}).json()
                for name in ("mean", "cls")
            }
            assert [answer["model"] for answer in asked.values()] == ["mean", "cls"]
            assert asked["mean"]["data"] != asked["cls"]["data"]
            assert [card["id"] for card in httpx.get(running.url + "/v1/models").json()["data"]] == ["mean", "cls"]
    finally:
        asyncio.run(other.shutdown())


def test_a_server_without_models_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one model"):
        build_app({}, ServerConfig())


def test_health_ready_and_ping_are_empty_and_200(client: httpx.Client) -> None:
    calls = (("GET", "/health"), ("HEAD", "/health"), ("GET", "/ready"), ("HEAD", "/ready"), ("GET", "/ping"))
    for method, path in (*calls, ("POST", "/ping"), ("HEAD", "/ping")):
        answer = client.request(method, path)
        assert answer.status_code == 200
        assert answer.content == b""


def test_version_and_load(client: httpx.Client) -> None:
    assert client.get("/version").json() == {"version": cenote.__version__}
    assert client.get("/load").json() == {"server_load": 0}


def test_plugins_are_listed_without_details_that_may_name_paths(client: httpx.Client) -> None:
    answer = client.get("/v1/plugins").json()
    assert client.get("/plugins").json() == answer
    assert answer["object"] == "list"
    assert answer["api_version"] == API_VERSION
    assert answer["fingerprint"] == fingerprint()
    encoder = next(row for row in answer["data"] if row["name"] == "transformers-encoder")
    assert encoder == {
        "name": "transformers-encoder",
        "kind": "architecture",
        "distribution": "cenote",
        "version": cenote.__version__,
        "tasks": encoder["tasks"],
        "state": "active",  # this server runs it
    }
    assert "embed" in encoder["tasks"]
    assert all(row.keys() - {"reason"} == encoder.keys() for row in answer["data"])


def test_why_a_plugin_does_not_work_is_told_without_what_the_server_alone_knows(client: httpx.Client) -> None:
    take_back = default_registry().register("cenote.convert_rules", "wrong", Path("/srv/secret"))
    try:
        answer = client.get("/v1/plugins")
        [wrong] = [row for row in answer.json()["data"] if row["name"] == "wrong"]
    finally:
        take_back()
    assert (wrong["state"], wrong["reason"]) == ("failed", "its check raised TypeError")
    assert "secret" not in answer.text


def test_load_counts_requests_in_flight(server: Any, paused: AsyncLLM, until: Any) -> None:
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, server.url + "/v1/embeddings", json={"input": "x"}, timeout=60)
        until(lambda: paused.stats().waiting == 1)
        assert httpx.get(server.url + "/load").json() == {"server_load": 1}
        paused.resume()
        assert answer.result().status_code == 200
    until(lambda: httpx.get(server.url + "/load").json() == {"server_load": 0})


def test_the_openapi_document_describes_the_body(client: httpx.Client, start_server: Any) -> None:
    document = client.get("/openapi.json").json()
    assert {"/v1/embeddings", "/v1/models", "/health", "/ping", "/version", "/metrics", "/load"} <= set(
        document["paths"]
    )
    content = document["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]
    assert {"input", "dimensions", "encoding_format", "input_type"} <= set(content["schema"]["properties"])
    with start_server(disable_fastapi_docs=True) as running:
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert httpx.get(running.url + path).status_code == 404


def test_metrics_count_requests_items_and_tokens(start_server: Any, engine: AsyncLLM) -> None:
    with start_server(names=("m",)) as running:
        answer = httpx.post(running.url + "/v1/embeddings", json={"input": ["a", "b"]}).json()
        httpx.post(running.url + "/v1/embeddings", json={"input": "word " * 50, "truncate_prompt_tokens": 12})
        httpx.post(running.url + "/v1/embeddings", json={"input": []})
        httpx.post(running.url + "/v1/embeddings", json={"input": "x", "dimensions": 3})
        httpx.get(running.url + "/anything/at/all")
        found = samples(running.url)
    route, task = ("handler=/v1/embeddings", "method=POST"), ("model_name=m", "task=embed")
    assert found["cenote:http_requests_total", *route, "status=200"] == 2
    assert found["cenote:http_requests_total", *route, "status=400"] == 2
    assert found["cenote:http_requests_total", "handler=unmatched", "method=GET", "status=404"] == 1
    assert found["cenote:http_request_duration_seconds_count", *route] == 4
    assert found["cenote:items_total", *task] == 3
    assert found["cenote:prompt_tokens_total", *task] == answer["usage"]["prompt_tokens"] + 12
    assert found["cenote:truncated_tokens_total", *task] > 0
    assert found["cenote:e2e_request_latency_seconds_count", *task] == 2
    assert found["cenote:request_prompt_tokens_count", *task] == 3
    assert found["cenote:request_success_total", "finished_reason=stop", *task] == 2
    assert found["cenote:num_requests_running", "model_name=m"] == 0
    assert found["cenote:num_requests_waiting", "model_name=m"] == 0
    assert found["cenote:forwards_total", "model_name=m"] == engine.stats().forwards
    assert found["cenote:forward_tokens_total", "model_name=m"] == engine.stats().tokens


def test_each_app_has_metrics_of_its_own(server: Any, start_server: Any) -> None:
    with start_server(names=("own",)) as running:
        names = {label for key in samples(running.url) for label in key if label.startswith("model_name=")}
    assert names == {"model_name=own"}


def test_an_answer_is_not_held_back_by_the_network_stack() -> None:
    # With Nagle's algorithm on, each answer waits for the client's delayed acknowledgement: 40 ms on Linux.
    assert asyncio.run(_accepted_option(socket.TCP_NODELAY)) == 1


async def _accepted_option(option: int) -> int:
    """Read a TCP option of a connection that asyncio accepted where a server of ours listens."""
    read: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, option))
        writer.close()

    (bound,) = bind_sockets(ServerConfig(host="127.0.0.1", port=0))
    async with await asyncio.start_server(take, sock=bound):
        _, writer = await asyncio.open_connection(*bound.getsockname())
        writer.close()
        return await read
