"""Ids of requests: what a processor keeps under one is never another request's, whatever ids clients send."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cenote import LLM, AsyncLLM
from cenote.io_processors.vllm import IOProcessor
from cenote.server import build_app


class Keeping(IOProcessor[str, dict]):
    """Keeps its request under its id between the hooks, as vLLM's own example for BGE-M3 does."""

    def __init__(self, vllm_config, renderer):
        super().__init__(vllm_config, renderer)
        self.requests: dict[str, str] = {}

    def parse_data(self, data):
        return data

    def pre_process(self, prompt, request_id=None, **kwargs):
        assert request_id not in self.requests
        self.requests[request_id] = prompt
        return prompt

    def post_process(self, model_output, request_id=None, **kwargs):
        return {"prompt": self.requests.pop(request_id), "id": request_id}


@pytest.fixture(scope="module")
def keeping(offer) -> str:
    return offer(Keeping)


TEXTS = [f"water of client {number}" for number in range(8)]


def check(answers: list[Any], prefix: str) -> None:
    assert [answer["prompt"] for answer in answers] == TEXTS
    assert len({answer["id"] for answer in answers}) == len(TEXTS)
    assert all(answer["id"].startswith(f"{prefix}-") for answer in answers)


def test_equal_ids_of_clients_do_not_mix_their_requests(keeping: str, source: str) -> None:
    async def ask() -> list[httpx.Response]:
        llm = AsyncLLM(source, io_processor_plugin=keeping)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(llm)), base_url="http://test") as client:
            bodies = [{"data": text, "request_id": "same"} for text in TEXTS]
            replies = await asyncio.gather(*(client.post("/pooling", json=body) for body in bodies))
        await llm.shutdown()
        return replies

    replies = asyncio.run(ask())
    assert [reply.status_code for reply in replies] == [200] * len(TEXTS)
    assert {reply.json()["request_id"] for reply in replies} == {"pooling-same"}  # the answer says what the client sent
    check([reply.json()["data"] for reply in replies], "pooling-same")


def test_calls_without_ids_do_not_mix_either(keeping: str, source: str) -> None:
    async def ask() -> list[Any]:
        llm = AsyncLLM(source, io_processor_plugin=keeping)
        answers = await asyncio.gather(*map(llm.process, TEXTS))
        await llm.shutdown()
        return answers

    check(asyncio.run(ask()), "pooling")


def test_threads_offline_do_not_mix_either(keeping: str, source: str) -> None:
    with LLM(source, io_processor_plugin=keeping) as llm, ThreadPoolExecutor(4) as pool:

        def ask(text: str) -> Any:
            (output,) = llm.encode({"data": text}, pooling_task="plugin", use_tqdm=False)
            assert output.request_id == ""
            return output.outputs.data

        check(list(pool.map(ask, TEXTS)), "pooling")
