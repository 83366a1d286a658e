"""Chunked long inputs over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import PoolerConfig
from cenote.engine import AsyncLLM

URL = "/v1/embeddings"
TEXT = " ".join(f"Sentence {number} tells of a cave that the sea has washed out." for number in range(60))


@pytest.fixture(scope="module")
def chunked(model_folder: Path, start_server: Any) -> Iterator[httpx.Client]:
    config = PoolerConfig(enable_chunked_processing=True, max_embed_len=1000)
    engine = AsyncLLM(str(model_folder), pooler_config=config, served_model_name="all-MiniLM-L6-v2")
    with start_server(engine=engine) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
    asyncio.run(engine.shutdown())


def test_an_over_long_text_is_embedded_and_counted_once(chunked: httpx.Client, client: httpx.Client) -> None:
    assert client.post(URL, json={"input": TEXT}).status_code == 400
    answer = chunked.post(URL, json={"input": [TEXT, "short"]}).json()
    alone = [chunked.post(URL, json={"input": text}).json() for text in (TEXT, "short")]
    for item, single in zip(answer["data"], alone, strict=True):
        vector = np.float64(item["embedding"])
        assert np.abs(vector - np.float64(single["data"][0]["embedding"])).max() < 2e-6
        assert abs(np.linalg.norm(vector) - 1) < 1e-5
    assert answer["usage"]["prompt_tokens"] == sum(single["usage"]["prompt_tokens"] for single in alone)
    assert alone[0]["usage"]["prompt_tokens"] > 512


def test_truncation_may_keep_more_than_the_models_limit(chunked: httpx.Client) -> None:
    for kept, tokens in ((600, 600), (-1, 1000)):
        answer = chunked.post(URL, json={"input": TEXT * 3, "truncate_prompt_tokens": kept}).json()
        assert answer["usage"]["prompt_tokens"] == tokens
        assert answer["usage"]["truncated_tokens"] > 0


@pytest.mark.parametrize("body", [{"input": TEXT * 3}, {"input": TEXT, "truncate_prompt_tokens": 1001}])
def test_the_upper_bound_of_long_texts_holds(chunked: httpx.Client, body: dict[str, Any]) -> None:
    answer = chunked.post(URL, json=body)
    assert answer.status_code == 400
    assert "at most 1000" in answer.json()["error"]["message"]
