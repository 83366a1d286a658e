"""Mixed scores equal those of FlagEmbedding's `compute_score`, and cost one pass over each text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from cenote import LLM, AsyncLLM
from cenote.server import build_app
from cenote.testing.compare import assert_close

_TOLERANCE = 2e-5
_CUT = {"truncate_prompt_tokens": -1}
_MIXES = {"sparse+dense": 2, "colbert+sparse+dense": 3}


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize("score_type", list(_MIXES))
def test_a_mix_is_the_reference_s(score_type: str, case: int, llm: LLM, golden: Mapping[str, Any]) -> None:
    expected, pairs = golden["scores"][case], golden["pairs"]
    weights = expected["weights"] and expected["weights"][: _MIXES[score_type]]  # FlagEmbedding leaves out the last
    queries, documents = ([pair[side] for pair in pairs] for side in (0, 1))
    outputs = llm.score(queries, documents, score_type=score_type, weights=weights, tokenization_kwargs=_CUT)
    found = torch.tensor([output.outputs.score for output in outputs])
    assert_close(found, expected[score_type], tolerance=_TOLERANCE, name=score_type)


def test_all_parts_cost_one_pass_over_each_text(folder: Path) -> None:
    async def run() -> tuple[int, int]:
        engine = AsyncLLM(str(folder))
        try:
            await engine.score("How deep is the well?", ["Deep.", "Bread."], score_type="colbert+sparse+dense")
            stats = engine.stats()
            return stats.requests, stats.forwards
        finally:
            await engine.shutdown()

    assert asyncio.run(run()) == (3, 1)


@pytest.mark.parametrize("path", ["/score", "/rerank"])
def test_all_five_scores_are_answered_over_http(path: str, folder: Path, golden: Mapping[str, Any]) -> None:
    expected = golden["scores"][1]
    query, document = golden["pairs"][0]
    sides = {"queries": query, "documents": [document]} if path == "/score" else {"query": query, "documents": document}

    async def run() -> dict[str, float]:
        engine = AsyncLLM(str(folder))
        transport = httpx.ASGITransport(build_app(engine))
        found = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for name in ("dense", "sparse", "colbert", *_MIXES):
                weights = expected["weights"][: _MIXES[name]] if name in _MIXES else None
                answer = await client.post(path, json={**sides, "score_type": name, "weights": weights})
                assert answer.status_code == 200, answer.text
                (item,) = answer.json()["data"]
                found[name] = item["score" if path == "/score" else "relevance_score"]
        await engine.shutdown()
        return found

    known = {name: expected[name][0] for name in ("dense", "sparse", "colbert", *_MIXES)}
    assert asyncio.run(run()) == pytest.approx(known, abs=_TOLERANCE)


def test_the_ranking_in_tei_s_form_may_choose_how_to_score(folder: Path, golden: Mapping[str, Any]) -> None:
    expected = golden["scores"][1]
    query, document = golden["pairs"][0]
    bodies: list[dict[str, Any]] = [
        {"score_type": "sparse+dense", "weights": expected["weights"][:2]},
        {"score_type": "nonsense"},
        {"score_type": "sparse+dense", "weights": [1]},
    ]

    async def run() -> list[httpx.Response]:
        engine = AsyncLLM(str(folder))
        transport = httpx.ASGITransport(build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            asked = [{"query": query, "texts": [document], **body} for body in bodies]
            found = [await client.post("/rerank", json=body) for body in asked]
        await engine.shutdown()
        return found

    right, unknown, few = asyncio.run(run())
    assert right.json() == [{"index": 0, "score": pytest.approx(expected["sparse+dense"][0], abs=_TOLERANCE)}]
    assert (unknown.status_code, few.status_code) == (422, 422)
    assert "nonsense" in unknown.json()["error"]
    assert "1 weights for 2 scores" in few.json()["error"]
