"""docs/hybrid_search.md: its code runs on a look-alike of BGE-M3, and Qdrant finds by the numbers that cenote gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.checkpoints import build_checkpoint

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "hybrid_search.md").read_text()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the examples leave behind, run one after the other."""
    folder = str(build_checkpoint("bge_m3_triple", tmp_path_factory.mktemp("bge") / "m"))
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block.replace("BAAI/bge-m3", folder), "docs/hybrid_search.md", "exec"), names)
    yield names
    names["client"].close()
    names["llm"].shutdown()


def scores(ran: dict[str, Any], score_type: str) -> list[float]:
    outputs = ran["llm"].score(ran["question"], ran["texts"], score_type=score_type, use_tqdm=False)
    return [output.outputs.score for output in outputs]


def search(ran: dict[str, Any], name: str) -> dict[int, float]:
    found = ran["client"].query_points("texts", query=ran["wanted"][name], using=name).points
    return {point.id: point.score for point in found}


def test_each_vector_is_compared_as_cenote_does(ran: dict[str, Any]) -> None:
    assert search(ran, "dense") == pytest.approx(dict(enumerate(scores(ran, "dense"))), abs=1e-5)
    means = {at: score / len(ran["query"].multi) for at, score in search(ran, "multi").items()}
    assert means == pytest.approx(dict(enumerate(scores(ran, "colbert"))), abs=1e-5)
    terms = search(ran, "sparse")
    assert terms
    assert [terms.get(at, 0.0) for at in range(3)] == pytest.approx(scores(ran, "sparse"), abs=1e-5)


def test_the_mix_of_qdrant_is_that_of_cenote(ran: dict[str, Any]) -> None:
    expected = [output.outputs.score for output in ran["mixed"]]
    assert {point.id: point.score for point in ran["best"]} == pytest.approx(dict(enumerate(expected)), abs=1e-5)
    assert [point.score for point in ran["best"]] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)


def test_candidates_are_joined_by_rank_or_ranked_anew(ran: dict[str, Any]) -> None:
    assert {point.id for point in ran["joined"]} == {0, 1, 2}
    colbert = scores(ran, "colbert")
    assert [point.id for point in ran["closer"]] == sorted(range(3), key=lambda at: -colbert[at])[:2]
    ranked = ran["llm"].rerank(ran["question"], ran["texts"], score_type="colbert", top_n=2, use_tqdm=False)
    assert [item.index for item in ranked] == [point.id for point in ran["closer"]]
