"""Low-rank adapters over HTTP: their names serve as models."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[str]:
    folder: Path = build_checkpoint("bert", tmp_path_factory.mktemp("bert"))
    adapter = build_lora(folder, tmp_path_factory.mktemp("legal"), targets=["query", "value"])
    engine = AsyncLLM(str(folder), served_model_name="base", lora_modules=(f"legal={adapter}",))
    with start_server(engine=engine, names=("base",)) as server:
        yield server.url
    asyncio.run(engine.shutdown())


def _embed(url: str, **body: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/embeddings", json={"input": "a text", **body})
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def test_an_adapters_name_serves_as_model(url: str) -> None:
    base, legal = _embed(url, model="base"), _embed(url, model="legal")
    assert legal["model"] == "legal"
    assert base["data"][0]["embedding"] != legal["data"][0]["embedding"]
    assert _embed(url, model="base", lora="legal")["data"] == legal["data"]


def test_adapters_are_listed_under_their_base_model(url: str) -> None:
    cards = httpx.get(f"{url}/v1/models").json()["data"]
    assert [(card["id"], card["parent"]) for card in cards] == [("base", None), ("legal", "base")]


def test_an_adapters_name_that_two_models_have_chooses_neither(
    tmp_path_factory: pytest.TempPathFactory, start_server: Any
) -> None:
    folder: Path = build_checkpoint("bert", tmp_path_factory.mktemp("twins"))
    adapter = build_lora(folder, tmp_path_factory.mktemp("shared"), targets=["query", "value"])
    given = {"a": (f"same={adapter}",), "b": (f"same={adapter}", f"own={adapter}")}
    engines = {name: AsyncLLM(str(folder), served_model_name=name, lora_modules=loras) for name, loras in given.items()}
    with start_server(engine=engines) as server:
        for path in ("/v1/models", "/models"):
            cards = httpx.get(f"{server.url}{path}").json()["data"]
            assert [card["id"] for card in cards] == ["a", "b", "own"]
        answer = httpx.post(f"{server.url}/v1/embeddings", json={"input": "a text", "model": "same"})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["param"] == "model"
        assert "(a, b), and the adapter as lora" in error["message"]
        own = _embed(server.url, model="own")["data"]
        assert [_embed(server.url, model=name, lora="same")["data"] for name in given] == [own, own]
    for engine in engines.values():
        asyncio.run(engine.shutdown())


def test_two_adapters_for_one_request_are_refused(url: str) -> None:
    assert _embed(url, model="legal", lora="legal")["model"] == "legal"
    answer = httpx.post(f"{url}/v1/embeddings", json={"input": "a text", "model": "legal", "lora": "other"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "lora"


@pytest.mark.parametrize("body", [{"model": "unknown"}, {"model": "base", "lora": "unknown"}])
def test_an_unknown_adapter_is_a_404_that_names_the_known_ones(url: str, body: dict[str, str]) -> None:
    answer = httpx.post(f"{url}/v1/embeddings", json={"input": "a text", **body})
    assert answer.status_code == 404
    assert "unknown" in answer.json()["error"]["message"]
