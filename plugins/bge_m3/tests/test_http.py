"""Every route that BGE-M3 has something for, on one server at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM, AsyncLLM
from cenote.server import build_app
from cenote.testing.compare import assert_all_close

_TEXTS = ["How deep is the well?", "Bread needs flour, water, salt and time.", "water"]
_TOLERANCE = 2e-5

Post = Callable[..., Awaitable[httpx.Response]]


def _served(folder: Path, check: Callable[[Post], Awaitable[None]]) -> None:
    async def run() -> None:
        engine = AsyncLLM(str(folder), served_model_name="bge-m3")
        transport = httpx.ASGITransport(build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def post(url: str, **body: Any) -> httpx.Response:
                return await client.post(url, json=body)

            await check(post)
        await engine.shutdown()

    asyncio.run(run())


def _expected(llm: LLM, task: str) -> list[Any]:
    return [output.outputs.data for output in llm.encode(_TEXTS, pooling_task=task)]


def _terms(rows: list[Any]) -> list[list[tuple[int, float]]]:
    return [list(zip(row.indices()[0].tolist(), row.values().tolist(), strict=True)) for row in rows]


def test_all_routes_at_once_give_what_the_offline_api_gives(folder: Path, llm: LLM) -> None:
    dense, vectors, weights, terms = (
        _expected(llm, task) for task in ("embed", "token_embed", "token_classify", "sparse_embed")
    )

    async def check(post: Post) -> None:
        forms = ["dense", "sparse", "multi"]
        answers = await asyncio.gather(
            post("/v1/embeddings", input=_TEXTS),
            post("/embed_sparse", inputs=_TEXTS),
            *(post("/pooling", input=_TEXTS, task=task) for task in ("embed", "token_embed", "token_classify")),
            post("/pooling", input=_TEXTS, task="sparse_embed", return_tokens=True),
            post("/pooling", input=_TEXTS, outputs=forms),
            post("/pooling", input=_TEXTS),
        )
        assert [answer.status_code for answer in answers] == [200] * 8
        embeddings, sparse, *pooled, named, joint, default = [answer.json() for answer in answers]
        assert_all_close([item["embedding"] for item in embeddings["data"]], dense, tolerance=_TOLERANCE)
        for answer, rows in zip([*pooled, default], [dense, vectors, weights, dense], strict=True):
            assert_all_close([np.asarray(item["data"]) for item in answer["data"]], rows, tolerance=_TOLERANCE)
        assert [np.asarray(item["data"]).ndim for item in pooled[2]["data"]] == [1, 1, 1]
        for item, listed, other, wanted in zip(named["data"], sparse, joint["data"], _terms(terms), strict=True):
            indices, values = ([pair[side] for pair in wanted] for side in (0, 1))
            assert item["data"]["indices"] == other["sparse"]["indices"] == indices
            assert item["data"]["tokens"] == llm.get_tokenizer().convert_ids_to_tokens(indices)
            assert [entry["index"] for entry in listed] == indices
            found = [item["data"]["values"], [entry["value"] for entry in listed], other["sparse"]["values"]]
            assert_all_close(found, [values] * 3, tolerance=_TOLERANCE)
        assert_all_close([item["embedding"] for item in joint["data"]], dense, tolerance=_TOLERANCE)
        assert_all_close([item["multi"] for item in joint["data"]], vectors, tolerance=_TOLERANCE)

    _served(folder, check)


def test_the_weights_of_tokens_pair_with_the_ids_of_tokenize(folder: Path) -> None:
    async def check(post: Post) -> None:
        for text in (*_TEXTS, "water water, water!"):
            tokens = (await post("/tokenize", prompt=text, add_special_tokens=False)).json()["tokens"]
            whole = (await post("/tokenize", prompt=text)).json()["tokens"]
            (item,) = (await post("/pooling", input=text, task="token_classify")).json()["data"]
            assert (whole[0], whole[1:-1], whole[-1]) == (0, tokens, 2)
            assert len(item["data"]) == len(tokens)
            (entries,) = (await post("/embed_sparse", inputs=text)).json()
            largest: dict[int, float] = {}
            for token, weight in zip(tokens, item["data"], strict=True):
                if weight > 0 and token != 3:
                    largest[token] = max(largest.get(token, 0.0), weight)
            assert {entry["index"] for entry in entries} == set(largest)
            for entry in entries:
                assert entry["value"] == pytest.approx(largest[entry["index"]], abs=_TOLERANCE)

    _served(folder, check)


@pytest.mark.parametrize(
    ("url", "body", "param", "message"),
    [
        ("/v1/embeddings", {"input": "x", "dimensions": 8}, "dimensions", "does not support matryoshka"),
        ("/pooling", {"input": "x", "task": "classify"}, "task", "cannot do task 'classify'"),
        ("/pooling", {"input": "x", "task": "embed&token_classify"}, "task", "embed&token_classify"),
        ("/pooling", {"input": "x", "task": "token_classify", "step_tag_id": 5}, "step_tag_id", "STEP"),
    ],
)
def test_what_it_cannot_do_is_400(url: str, body: dict[str, Any], param: str, message: str, folder: Path) -> None:
    async def check(post: Post) -> None:
        answer = await post(url, **body)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, param)
        assert message in error["message"]

    _served(folder, check)
