"""The example clients run against a real server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

EXAMPLES = Path(__file__).parents[2] / "examples" / "pooling"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_official_clients_example_ranks_the_definition_first(server: Any) -> None:
    printed = run("embed/openai_client.py", "--base-url", f"{server.url}/v1").splitlines()
    assert "384 components" in printed[0]
    assert "A cenote is a natural pit" in printed[2]


def test_the_plain_client_gets_the_same_three_times(server: Any) -> None:
    printed = run("embed/http_client.py", "--base-url", server.url).splitlines()
    assert len(printed) == 3
    assert len({line.rpartition("cosine ")[2] for line in printed}) == 1


def test_the_matryoshka_client_gets_short_vectors(tmp_path: Path, start_server: Any) -> None:
    folder = build_checkpoint("bert", tmp_path, config={"is_matryoshka": True})
    engine = AsyncLLM(str(folder))
    with start_server(engine=engine, names=("tiny",)) as running:
        name = "embed/openai_embedding_matryoshka_fy_client.py"
        printed = run(name, "--port", str(running.port), "--model", "tiny", "--dimensions", "8").splitlines()
    asyncio.run(engine.shutdown())
    assert printed[0].startswith("tiny: 8 components")
    assert printed[1].startswith("  1.0000")


def test_multi_vector_retrieval_finds_the_pit_and_its_water(server: Any) -> None:
    printed = run("token_embed/multi_vector_retrieval_online.py", "--port", str(server.port)).splitlines()
    scores = [float(line.split()[0]) for line in printed[1:]]
    assert "384 components" in printed[0]
    assert min(scores) == scores[1]


def test_the_score_example_scores_one_query_and_then_pairs(server: Any) -> None:
    printed = run("score/score_api_online.py", "--port", str(server.port)).splitlines()
    scores = [float(line.split()[0]) for line in printed]
    assert len(scores) == 5
    assert min(scores[:3]) == scores[1]


def test_the_rerank_example_finds_the_ground_water(server: Any) -> None:
    printed = run("score/rerank_api_online.py", "--port", str(server.port), "--top-n", "1").splitlines()
    assert len(printed) == 1
    assert "document 1  The water of a cenote" in printed[0]


def test_coheres_client_finds_the_ground_water_in_both_versions(server: Any) -> None:
    printed = run("score/cohere_rerank_client.py", "--base-url", server.url).splitlines()
    assert len(printed) == 6
    assert printed[1] == printed[4]
    assert "The water of a cenote" in printed[1]


def test_the_colbert_example_scores_by_hand_what_the_server_scores(tmp_path: Path, start_server: Any) -> None:
    engine = AsyncLLM(str(build_checkpoint("colbert_v2", tmp_path / "m")))
    with start_server(engine=engine, names=("late",)) as running:
        printed = run("score/colbert_rerank_online.py", "--port", str(running.port), "--model", "late").splitlines()
    asyncio.run(engine.shutdown())
    ranked, scored = [line.split() for line in printed[1:4]], [line.split() for line in printed[5:]]
    assert "MaxSim of 32 vectors" in printed[4]
    assert [float(line[0]) for line in ranked] == sorted((float(line[0]) for line in scored), reverse=True)
    for server, by_hand, *_ in scored:
        assert abs(float(server) - float(by_hand)) <= 2e-4


@pytest.fixture(scope="module")
def sees(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[str]:
    """The port of a server with a model that reads pages."""
    engine = AsyncLLM(str(build_checkpoint("colqwen3", tmp_path_factory.mktemp("sees") / "m")))
    with start_server(engine=engine, names=("sees",)) as running:
        yield str(running.port)
    asyncio.run(engine.shutdown())


def ranked(lines: list[str]) -> list[tuple[float, str]]:
    return [(float(line[:9]), line[11:]) for line in lines]


def test_the_page_retrieval_example_finds_the_page_that_rerank_finds(sees: str) -> None:
    printed = run("token_embed/colqwen3_token_embed_online.py", "--port", sees, "--model", "sees").splitlines()
    reranked = run("score/colqwen3_rerank_online.py", "--port", sees).splitlines()
    assert printed[0].endswith("vectors of 32 components")
    scores = {line.split("vectors  ")[1]: float(line.split()[0]) for line in printed[1:4]}
    pages = ranked(reranked[5:8])
    assert [name for _, name in pages] == sorted(scores, key=lambda name: -scores[name])
    assert dict((name, value) for value, name in pages) == pytest.approx(scores, abs=2e-4)
    assert printed[4] == f"best: {pages[0][1]}"
    assert [re.fullmatch(r"  +-?\d\.\d{4}  row \d+, column \d+", line) is not None for line in printed[5:]] == [
        True
    ] * 3


def test_the_page_reranking_example_scores_what_it_ranks(sees: str) -> None:
    printed = run("score/colqwen3_rerank_online.py", "--port", sees).splitlines()
    assert [line for line in printed if line.startswith("/")] == [
        "/rerank, texts",
        "/rerank, pages",
        "/score, the query with each page",
        "/score, the first page with each page",
    ]
    pages, by_query, by_page = (ranked(printed[at : at + 3]) for at in (5, 9, 13))
    assert pages == sorted(by_query, reverse=True)
    assert by_page[0][0] == max(value for value, _ in by_page)


def test_own_pages_are_ranked_among_texts(tmp_path: Path, start_server: Any) -> None:
    engine = AsyncLLM(str(build_checkpoint("colqwen3_5", tmp_path / "m")))
    for name, colour in (("red.png", "red"), ("blue.jpg", "blue")):
        Image.new("RGB", (96, 64), colour).save(tmp_path / name)
    files = [word for name in ("red.png", "blue.jpg") for word in ("--image", str(tmp_path / name))]
    with start_server(engine=engine, names=("sees",)) as running:
        printed = run("score/colqwen3_5_rerank_online.py", "--port", str(running.port), *files).splitlines()
    asyncio.run(engine.shutdown())
    middle = printed.index("/score")
    best_first, in_order = ranked(printed[1:middle]), ranked(printed[middle + 1 :])
    assert best_first == sorted(in_order, key=lambda item: -item[0])
    assert [name for _, name in in_order[3:]] == [f"page:  {tmp_path / name}" for name in ("red.png", "blue.jpg")]


def test_the_embedding_example_ranks_texts_pages_and_both(tmp_path: Path, start_server: Any) -> None:
    engine = AsyncLLM(str(build_checkpoint("llama_nemotron_vl", tmp_path / "m")))
    with start_server(engine=engine, names=("embeds",)) as running:
        printed = run("embed/vision_embedding_online.py", "--port", str(running.port)).splitlines()
    asyncio.run(engine.shutdown())
    assert printed[0] == "query: 64 components"
    assert [printed[at] for at in (1, 5, 9)] == ["text", "page", "page with text"]
    texts, pages, both = (ranked(printed[at : at + 3]) for at in (2, 6, 10))
    for rows in (texts, pages, both):
        assert [value for value, _ in rows] == sorted((value for value, _ in rows), reverse=True)
        assert sorted(name for _, name in rows) == sorted(name for _, name in texts)
    assert len({frozenset(rows) for rows in (texts, pages, both)}) == 3
