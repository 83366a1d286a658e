"""Bounds hold on every route that runs a model, and are told in the envelope of the route's dialect."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from cenote.engine import AsyncLLM

JSON = {"Content-Type": "application/json"}
#: Routes that answer without running a model, or that the embedder of these tests has no task for.
NOT_RUN = {
    *("/tokenize", "/detokenize", "/decode", "/embed_sparse", "/predict"),
    *("/v1/check-api-key", "/v1/tokenize", "/v1/detokenize"),
}


def runs_of(url: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return path, body and schema of errors for the first example of every route that runs a model."""
    document = httpx.get(url + "/openapi.json").json()
    found = []
    for path, item in document["paths"].items():
        if "requestBody" in item.get("post", {}) and path not in NOT_RUN:
            shown = item["post"]["requestBody"]["content"]["application/json"]["examples"]
            refused = item["post"]["responses"]["4XX"]["content"]["application/json"]["schema"]
            schema = {**refused, "components": document["components"]}
            found.append((path, next(iter(shown.values()))["value"], schema))
    assert len(found) >= 12
    return found


def check(answer: httpx.Response, status: int, schema: dict[str, Any]) -> None:
    assert answer.status_code == status, (answer.request.url, answer.text)
    jsonschema.Draft202012Validator(schema).validate(answer.json())
    assert answer.headers["x-request-id"]


@pytest.fixture(scope="module")
def narrow(start_server: Any) -> Iterator[Any]:
    with start_server(max_body_bytes=600, h11_max_header_count=20, h11_max_incomplete_event_size=4096) as running:
        yield running


def test_a_body_beyond_the_limit_is_413(narrow: Any) -> None:
    with httpx.Client(base_url=narrow.url) as own:
        for path, body, schema in runs_of(narrow.url):
            assert own.post(path, json=body).status_code == 200, path
            check(own.post(path, json={**body, "padding_of_the_test": "x" * 600}), 413, schema)
            stream = iter([b'{"input": "', b"x" * 700, b'"}'])
            check(own.post(path, content=stream, headers=JSON), 413, schema)


def test_headers_beyond_the_limits_are_431(narrow: Any) -> None:
    with httpx.Client(base_url=narrow.url) as own:
        for path, body, schema in runs_of(narrow.url):
            check(own.post(path, json=body, headers={f"x-{number}": "1" for number in range(30)}), 431, schema)
            check(own.post(path, json=body, headers={"x-long": "v" * 5000}), 431, schema)
            check(own.post(path + "?" + "q" * 5000, json=body), 414, schema)


def test_a_wrong_content_type_or_json_is_refused(narrow: Any) -> None:
    with httpx.Client(base_url=narrow.url) as own:
        for path, _, schema in runs_of(narrow.url):
            for content, kind in ((b"{}", "text/plain"), (b"{", "application/json"), (b"[]", "application/json")):
                answer = own.post(path, content=content, headers={"Content-Type": kind})
                assert 400 <= answer.status_code <= 422, path
                check(answer, answer.status_code, schema)


def test_without_a_key_every_route_says_so_in_its_own_words(start_server: Any) -> None:
    with start_server() as running:
        runs = runs_of(running.url)
    with start_server(api_keys="k") as guarded, httpx.Client(base_url=guarded.url) as own:
        for path, body, schema in runs:
            answer = own.post(path, json=body)
            check(answer, 401, schema)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_client_that_leaves_cancels_what_waits_for_it(server: Any, paused: AsyncLLM, until: Any) -> None:
    forwards = paused.stats().forwards
    for path, body, _ in runs_of(server.url):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", path, json.dumps(body), JSON)
        until(lambda: paused.stats().waiting > 0)
        connection.close()
        until(lambda: paused.stats().waiting == 0)
    assert paused.stats().forwards == forwards
    until(lambda: server.state.in_flight == 0)


def test_the_deadline_ends_a_request_and_cancels_its_work(start_server: Any, paused: AsyncLLM, until: Any) -> None:
    with start_server(request_timeout=0.05) as running, httpx.Client(base_url=running.url) as own:
        for path, body, schema in runs_of(running.url):
            check(own.post(path, json=body), 504, schema)
        until(lambda: paused.stats().waiting == 0)


def test_a_full_queue_is_429_and_an_ending_server_503(model_folder: Path, start_server: Any, until: Any) -> None:
    small = AsyncLLM(str(model_folder), max_num_queued_reqs=1)
    small.pause()
    with (
        start_server(engine=small, names=("small",), shutdown_grace=60) as running,
        httpx.Client(base_url=running.url) as own,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        runs = runs_of(running.url)
        first = pool.submit(httpx.post, running.url + "/v1/embeddings", json={"input": "x"}, timeout=60)
        until(lambda: small.stats().waiting == 1)
        for path, body, schema in runs:
            answer = own.post(path, json=body)
            check(answer, 429, schema)
            assert int(answer.headers["retry-after"]) >= 1
        running.server.request_stop()
        until(lambda: httpx.get(running.url + "/ready").status_code == 503)
        for path, body, schema in runs:
            answer = httpx.post(running.url + path, json=body)
            check(answer, 503, schema)
            assert answer.headers["retry-after"]
        small.resume()
        assert first.result().status_code == 200
    asyncio.run(small.shutdown())
