"""The offline examples run on look-alikes and print what they are about."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cenote.testing.checkpoints import build_checkpoint

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., list[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an example as its command line would, and return the lines it prints."""

    def call(name: str, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return call


def _model(name: str, folder: Path, **options: Any) -> str:
    return str(build_checkpoint(name, folder, **options))


def test_embed_prints_a_vector_and_a_cosine_per_text(run: Run, tmp_path: Path) -> None:
    lines = run("offline_inference/basic/embed.py", "--model", _model("bert", tmp_path))
    assert lines[2].endswith("cosine with the first text: 1.0000")
    assert len(lines) == 9


def test_classify_prints_the_labels_best_first(run: Run, tmp_path: Path) -> None:
    lines = run("offline_inference/basic/classify.py", "--model", _model("bert_classifier", tmp_path))
    values = [float(value) for value in re.findall(r"\d\.\d{4}", lines[1])]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-3)
    assert {"negative", "neutral", "positive"} <= set(re.findall(r"\w+", lines[1]))


@pytest.mark.parametrize("name", ["ms_marco_minilm", "qwen3_reranker", "bert"])
def test_score_ranks_with_rerankers_and_with_embedders(run: Run, tmp_path: Path, name: str) -> None:
    lines = run("offline_inference/basic/score.py", "--model", _model(name, tmp_path))
    scored = {line[12:]: float(line[:12]) for line in lines[1:4]}
    best = max(scored, key=lambda document: scored[document])
    assert lines[5] == f"  1. {best}"
    assert len(lines) == 7


def test_reward_prints_a_number_per_answer(run: Run, tmp_path: Path) -> None:
    lines = run("offline_inference/basic/reward.py", "--model", _model("skywork_reward_v2", tmp_path))
    assert [bool(re.match(r"  +-?\d+\.\d{4}  \w", line)) for line in lines] == [False, True, True]


def test_matryoshka_prints_cosines_of_short_and_whole_vectors(run: Run, tmp_path: Path) -> None:
    model = _model("bert", tmp_path, config={"matryoshka_dimensions": [8, 16]})
    lines = run("pooling/embed/embed_matryoshka_fy_offline.py", "--model", model, "--dimensions", "8")
    assert lines[0].startswith("8 of ")
    assert lines[1].startswith("  1.0000 short, 1.0000 whole")
    assert len(lines) == 5


def test_multi_vector_retrieval_computes_what_score_does(run: Run, tmp_path: Path) -> None:
    lines = run("pooling/token_embed/multi_vector_retrieval_offline.py", "--model", _model("bert", tmp_path))
    for line in lines[1:]:
        by_hand, by_score = re.findall(r"-?\d+\.\d{4}", line)
        assert float(by_hand) == pytest.approx(float(by_score), abs=2e-4)


def test_the_page_with_the_best_score_is_painted(run: Run, tmp_path: Path) -> None:
    arguments = ("--model", _model("colqwen3", tmp_path / "m"), "--picture", str(tmp_path / "heat.png"))
    lines = run("pooling/token_embed/colqwen3_token_embed_offline.py", *arguments)
    scores = {line.split("vectors  ")[1]: float(line.split()[0]) for line in lines[1:4]}
    best = max(scores, key=lambda name: scores[name])
    assert lines[4] == f"best: {best}, 12 rows of 20 patches"
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.size == (640, 400)
