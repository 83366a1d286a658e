"""Two clients of different vendors that send at once share forward passes, and each gets its own vectors."""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Callable
from typing import Any

import cohere
import httpx
import openai
import pytest

from cenote.engine import AsyncLLM

MODEL = "all-MiniLM-L6-v2"
#: All of one length, so that they fit into one batch whatever the scheduler prefers.
TEXTS = [f"{word} is the word" for word in ("water", "stone", "light", "river", "night", "bread", "house", "green")]


def with_openai(url: str, texts: list[str]) -> list[list[float]]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        return [item.embedding for item in client.embeddings.create(model=MODEL, input=texts).data]


def with_cohere(url: str, texts: list[str]) -> Any:
    with cohere.ClientV2(base_url=url, api_key="none") as client:
        made = client.embed(model=MODEL, texts=texts, input_type="search_document", embedding_types=["float"])
        return made.embeddings.float_


def forwards(client: httpx.Client) -> float:
    found = re.search(r"^cenote:forwards_total\{.*\} (\S+)$", client.get("/metrics").text, flags=re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_two_clients_at_once_share_one_forward(
    server: Any, client: httpx.Client, engine: AsyncLLM, until: Callable[[Callable[[], bool]], None]
) -> None:
    alone = with_openai(server.url, TEXTS)
    before = forwards(client)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        engine.pause()
        try:
            first = pool.submit(with_openai, server.url, TEXTS[:4])
            second = pool.submit(with_cohere, server.url, TEXTS[4:])
            until(lambda: engine.stats().waiting == len(TEXTS))
        finally:
            engine.resume()
        together = [*first.result(60), *second.result(60)]
    assert forwards(client) - before == 1
    for ours, theirs in zip(together, alone, strict=True):
        assert ours == pytest.approx(theirs, abs=2e-5)
