"""An orderly end: no new requests, running ones finish, and nobody waits for ever."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM

URL = "/v1/embeddings"


def post(url: str, text: str) -> httpx.Response:
    return httpx.post(url + URL, json={"input": text}, timeout=60)


def test_while_draining_ready_is_503_new_requests_are_refused_and_running_ones_finish(
    start_server: Any, paused: AsyncLLM, until: Any
) -> None:
    with start_server(shutdown_grace=60) as running, concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(post, running.url, "x")
        until(lambda: paused.stats().waiting == 1)
        running.server.request_stop()
        until(lambda: httpx.get(running.url + "/ready").status_code == 503)
        for path in ("/health", "/ping", "/version", "/metrics"):
            assert httpx.get(running.url + path).status_code == 200
        refused = post(running.url, "y")
        assert refused.status_code == 503
        assert refused.json()["error"]["type"] == "ServiceUnavailableError"
        assert refused.headers["retry-after"]
        paused.resume()
        assert answer.result().status_code == 200
        running.thread.join(20)
        assert not running.thread.is_alive()


def test_when_the_grace_is_over_running_requests_get_503(
    start_server: Any, paused: AsyncLLM, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_server(shutdown_grace=0.3) as running, concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(post, running.url, "x")
        until(lambda: paused.stats().waiting == 1)
        running.server.request_stop()
        refused = answer.result()
        assert refused.status_code == 503
        running.thread.join(20)
        assert not running.thread.is_alive()
    assert f"request {refused.headers['x-request-id']}: 503 The server is shutting down.\n" in capsys.readouterr().err


def test_a_second_signal_does_not_wait_for_the_grace(start_server: Any, paused: AsyncLLM, until: Any) -> None:
    with start_server(shutdown_grace=600) as running, concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(post, running.url, "x")
        until(lambda: paused.stats().waiting == 1)
        running.server.request_stop()
        running.server.request_stop()
        assert answer.result().status_code == 503
        running.thread.join(20)
        assert not running.thread.is_alive()


def test_a_full_queue_is_429_with_retry_after(model_folder: Any, start_server: Any, until: Any) -> None:
    import asyncio

    small = AsyncLLM(str(model_folder), max_num_queued_reqs=1)
    small.pause()
    try:
        with start_server(engine=small, names=("small",)) as running, concurrent.futures.ThreadPoolExecutor() as pool:
            first = pool.submit(post, running.url, "x")
            until(lambda: small.stats().waiting == 1)
            refused = post(running.url, "y")
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["error"]["type"] == "TooManyRequestsError"
            assert 'cenote:admission_rejections_total{model_name="small",task="embed"} 1.0' in (
                httpx.get(running.url + "/metrics").text
            )
            small.resume()
            assert first.result().status_code == 200
    finally:
        small.resume()
        asyncio.run(small.shutdown())


def test_a_stopped_engine_is_503_and_unhealthy(model_folder: Any, start_server: Any) -> None:
    import asyncio

    stopped = AsyncLLM(str(model_folder))
    with start_server(engine=stopped, names=("stopped",)) as running:
        assert httpx.get(running.url + "/health").status_code == 200
        assert httpx.get(running.url + "/ready").status_code == 200
        asyncio.run(stopped.shutdown())
        for path in ("/health", "/ping", "/ready"):
            assert httpx.get(running.url + path).status_code == 503
        assert post(running.url, "x").status_code == 503


def test_a_server_on_a_unix_socket_answers(tmp_path: Any, start_server: Any) -> None:
    path = str(tmp_path / "socket")
    with start_server(uds=path), httpx.Client(transport=httpx.HTTPTransport(uds=path)) as own:
        assert own.post("http://localhost" + URL, json={"input": "x"}).status_code == 200
