"""200 real texts over HTTP equal sentence-transformers, in every encoding and with two clients at once."""

from __future__ import annotations

import base64
import concurrent.futures
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from cenote.testing.compare import assert_close
from cenote.testing.corpus import docstrings
from cenote.testing.references import embed_with_sentence_transformers

#: Largest absolute difference of a component of a vector of length 1.
TOLERANCE = 2e-5
CUT = {"truncate_prompt_tokens": -1}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return docstrings(200)


@pytest.fixture(scope="module")
def expected(texts: list[str], model_folder: Path) -> NDArray[np.float32]:
    return np.stack(embed_with_sentence_transformers(model_folder)(texts))


def ask(url: str, texts: list[str], **fields: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/embeddings", json={"input": texts, **CUT, **fields}, timeout=120)
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def test_json_numbers(server: Any, texts: list[str], expected: Any) -> None:
    data = ask(server.url, texts)["data"]
    assert_close(np.array([item["embedding"] for item in data], np.float32), expected, tolerance=TOLERANCE)


def test_base64(server: Any, texts: list[str], expected: Any) -> None:
    data = ask(server.url, texts, encoding_format="base64")["data"]
    vectors = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in data]
    assert_close(np.stack(vectors), expected, tolerance=TOLERANCE)


def test_the_official_client(server: Any, texts: list[str], expected: Any) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts, extra_body=CUT)
    vectors = np.array([item.embedding for item in answer.data], np.float32)
    assert_close(vectors, expected, tolerance=TOLERANCE)


def test_two_clients_at_once_and_every_token_counted(server: Any, texts: list[str], expected: Any, until: Any) -> None:
    engine = next(iter(server.state.models)).engine
    before = engine.stats()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda part: ask(server.url, part), (texts[:100], texts[100:])))
    vectors = [item["embedding"] for answer in answers for item in answer["data"]]
    assert_close(np.array(vectors, np.float32), expected, tolerance=TOLERANCE)
    tokens = sum(answer["usage"]["prompt_tokens"] for answer in answers)
    until(lambda: engine.stats().requests - before.requests == 200)
    assert engine.stats().tokens - before.tokens == tokens
