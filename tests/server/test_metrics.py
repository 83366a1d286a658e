"""Stages of requests, batches and plugins in /metrics, and vLLM's names."""

from __future__ import annotations

from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cenote.engine import AsyncLLM

TASK = ("model_name=m", "task=embed")


def _samples(url: str) -> dict[tuple[str, ...], float]:
    text = httpx.get(url + "/metrics").text
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _embed(url: str, **body: Any) -> httpx.Response:
    return httpx.post(url + "/v1/embeddings", json={"input": ["a", "b c"], **body})


def test_the_stages_of_a_request_are_timed(start_server: Any) -> None:
    with start_server(names=("m",)) as running:
        for _ in range(2):
            assert _embed(running.url).status_code == 200
        httpx.post(running.url + "/score", json={"queries": "a", "documents": ["b", "c"]})
        found = _samples(running.url)
    stages = ("request_tokenize_time", "request_queue_time", "request_inference_time", "response_encode_time")
    for name in stages:
        assert found[f"cenote:{name}_seconds_count", *TASK] == 2
        assert found[f"cenote:{name}_seconds_count", "model_name=m", "task=score"] == 1
    inside = [found[f"cenote:{name}_seconds_sum", *TASK] for name in stages[:3]]
    assert all(seconds > 0 for seconds in inside)
    assert sum(inside) <= found["cenote:e2e_request_latency_seconds_sum", *TASK]
    assert found["cenote:pairs_total", "model_name=m"] == 2


def test_batches_and_plugins_are_counted(start_server: Any, engine: AsyncLLM) -> None:
    with start_server(names=("m",)) as running:
        before = engine.stats()
        _embed(running.url)
        after, found = engine.stats(), _samples(running.url)
    assert found["cenote:iteration_tokens_count", "model_name=m"] == after.forwards - before.forwards == 1
    assert found["cenote:iteration_tokens_sum", "model_name=m"] == after.tokens - before.tokens
    fill = (after.tokens - before.tokens) / engine.engine.max_batch_tokens
    assert abs(found["cenote:batch_fill_ratio_sum", "model_name=m"] - fill) < 1e-9
    assert found["cenote:plugin_compute_seconds_total", "plugin=cenote"] >= after.busy_seconds > 0


def test_what_a_client_invents_becomes_no_label(start_server: Any) -> None:
    with start_server(names=("m",)) as running:
        assert _embed(running.url, model="invented").status_code == 404
        pooled = httpx.post(running.url + "/pooling", json={"input": "a", "task": "invented"})
        assert pooled.status_code == 400
        assert "invented" not in httpx.get(running.url + "/metrics").text


def test_what_vllm_has_too_comes_under_its_names_where_that_is_asked_for(start_server: Any) -> None:
    with start_server(names=("m",), metrics_vllm_names=True) as running:
        _embed(running.url)
        httpx.post(running.url + "/pooling", json={"input": "a", "task": "token_embed"})
        found = _samples(running.url)
    labels = ("engine=0", "model_name=m")
    ours = [value for key, value in found.items() if key[0] == "cenote:prompt_tokens_total"]
    assert len(ours) == 2
    assert found["vllm:prompt_tokens_total", *labels] == sum(ours)
    assert found["vllm:request_success_total", "engine=0", "finished_reason=stop", "model_name=m"] == 2
    assert found["vllm:num_requests_running", *labels] == 0
    assert found["vllm:iteration_tokens_total_count", *labels] == 2
    assert found["vllm:e2e_request_latency_seconds_bucket", "engine=0", "le=+Inf", "model_name=m"] == 2
    assert found["vllm:request_prefill_time_seconds_count", *labels] == 2
    with start_server(names=("m",)) as running:
        assert "vllm:" not in httpx.get(running.url + "/metrics").text
