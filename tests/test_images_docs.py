"""docs/images.md: its code, its requests and its commands run on a look-alike, and print what it says."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cenote import LLM
from cenote.adapters.qwen_vl import ImageRules
from cenote.cli.embed import app as embed
from cenote.cli.heatmap import app as heatmap
from cenote.cli.rerank import app as rerank
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.live import serving

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "images.md").read_text()
#: Look-alikes of the models that the page names.
FAMILIES = {
    "TomoroAI/tomoro-colqwen3-embed-4b": "colqwen3",
    "Qwen/Qwen3-VL-Embedding-2B": "qwen3_vl_embedding",
    "Qwen/Qwen3-VL-Reranker-2B": "qwen3_vl_reranker",
    "nvidia/llama-nemotron-embed-vl-1b-v2": "llama_nemotron_vl",
    "nvidia/llama-nemotron-rerank-vl-1b-v2": "llama_nemotron_vl_rerank",
    "vidore/colpali-v1.3-hf": "colpali",
    "openai/clip-vit-base-patch32": "clip",
}
MODEL = "TomoroAI/tomoro-colqwen3-embed-4b"
COMMANDS = {"embed": embed, "heatmap": heatmap, "rerank": rerank}
_REQUESTS = re.findall(r"^\$ (printf .*curl .*)$", PAGE, flags=re.MULTILINE)


def _answers(lines: list[str], address: str, folder: Path) -> list[Any]:
    """Return what a server at an address answers to requests of the page."""
    answers = []
    for line in lines:
        command = ["bash", "-c", line.replace("http://127.0.0.1:8000", address)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=folder)
        answers.append(json.loads(done.stdout))
    return answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a page of the size that the document speaks of, and another image."""
    place = tmp_path_factory.mktemp("images")
    for name, family in FAMILIES.items():
        build_checkpoint(family, place / name)
    rows, columns = np.mgrid[0:1650, 0:1275]
    stripes = np.stack([rows // 8, columns // 6, (rows + columns) // 16], axis=2).astype(np.uint8)
    Image.fromarray(stripes).save(place / "page.png")
    Image.new("RGB", (120, 80), "teal").save(place / "other.jpg")
    return place


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of a server of two models; requests that name none go to the first that can answer."""
    models = [str(folder / name) for name in (MODEL, "nvidia/llama-nemotron-embed-vl-1b-v2")]
    with serving(folder / "log", *models) as found:
        yield found


@pytest.fixture(scope="module")
def ran(folder: Path) -> Iterator[dict[str, Any]]:
    """What the examples in Python leave behind, run one after the other; `printed` holds what they print and say."""
    names: dict[str, Any] = {"printed": []}
    with contextlib.chdir(folder):
        for code, said in re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, flags=re.DOTALL):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                code = code.replace('LLM("', f'LLM("{folder}/')
                exec(compile(code, "docs/images.md", "exec"), names)
            names["printed"].append((printed.getvalue(), said))
    yield names
    for model in [value for value in names.values() if isinstance(value, LLM)]:
        model.shutdown()


def test_the_examples_print_what_the_page_says(ran: dict[str, Any]) -> None:
    assert [printed for printed, _ in ran["printed"]] == [said for _, said in ran["printed"]]
    assert len([said for _, said in ran["printed"] if said]) == 2


def test_scores_of_the_page_are_those_of_its_vectors(ran: dict[str, Any]) -> None:
    by_hand = (ran["vectors"][0] @ ran["vectors"][1].T).max(axis=1).sum()
    assert ran["scores"][0].outputs.score == pytest.approx(by_hand, abs=1e-3)
    assert len(ran["scores"]) == 3
    assert ran["first"].index in (0, 1)
    assert 0 < ran["alike"][0].outputs.score <= len(ran["vectors"][1]) + 0.1


def test_qwens_own_models_embed_and_rerank(ran: dict[str, Any]) -> None:
    assert [len(result.outputs.embedding) for result in (*ran["seen"], ran["asked"])] == [64] * 3
    assert len(ran["ranking"]) == 3
    assert 0 < ran["judged"][0].outputs.score < 1


def test_the_other_models_give_what_the_page_says(ran: dict[str, Any]) -> None:
    assert [len(result.outputs.embedding) for result in (*ran["passages"], ran["question"])] == [64] * 3
    assert sorted(row.index for row in ran["best_first"]) == [0, 1, 2]
    assert len(ran["scored"]) == 2
    assert len(ran["shown"].outputs.embedding) == len(ran["named"].outputs.embedding)
    cosine = np.dot(ran["named"].outputs.embedding, ran["shown"].outputs.embedding)
    assert {row.index: row.score for row in ran["closest"]}[0] == pytest.approx(cosine, abs=1e-5)


def test_a_message_with_a_role_is_embedded_as_in_python(ran: dict[str, Any], folder: Path, address: str) -> None:
    (line,) = [line for line in _REQUESTS if "/v1/embeddings" in line]
    (answer,) = _answers([line], address, folder)
    assert answer["model"] == "llama-nemotron-embed-vl-1b-v2"
    expected = ran["passages"][1]
    assert answer["data"][0]["embedding"] == pytest.approx(expected.outputs.embedding, abs=2e-5)
    assert answer["usage"]["prompt_tokens"] == len(expected.prompt_token_ids)


def test_the_heat_map_is_as_large_as_the_page(ran: dict[str, Any], folder: Path) -> None:
    with Image.open(folder / "heat.png") as picture:
        assert picture.size == (1275, 1650)


@pytest.mark.parametrize("row", re.findall(r"^\| (\d+) x (\d+) \| (.+?) \| (\d+) \| .*?(\d+) \|$", PAGE, re.MULTILINE))
def test_the_table_of_sizes_follows_the_rule(row: tuple[str, ...]) -> None:
    width, height, resized, tokens, capped = row
    for most, expected, said in ((16777216, tokens, resized), (1280 * 32**2, capped, None)):
        rules = ImageRules(
            patch_size=16,
            merge_size=2,
            temporal_patch_size=2,
            min_pixels=65536,
            max_pixels=most,
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
        )
        rows, columns = rules.fit(int(width), int(height))
        assert rows * columns == int(expected)
        assert said in (None, f"{columns * 32} x {rows * 32}")


def test_the_servers_answers_are_those_of_python(ran: dict[str, Any], folder: Path, address: str) -> None:
    lines = [line for line in _REQUESTS if "/v1/embeddings" not in line]
    assert len(lines) == 2
    answers = _answers(lines, address, folder)
    pooled, ranked = answers
    expected = ran["document"].outputs
    assert pooled["data"][0]["positions"] == expected.positions
    assert pooled["data"][0]["shape"] == list(expected.data.shape)
    scores = {item["index"]: item["relevance_score"] for item in ranked["results"]}
    assert scores[1] == pytest.approx(ran["scores"][0].outputs.score, abs=1e-3)
    assert scores[0] == pytest.approx(ran["scores"][1].outputs.score, abs=1e-3)


@pytest.mark.parametrize("line", re.findall(r"^\$ (cenote .*)$", PAGE, flags=re.MULTILINE))
def test_the_commands_run(folder: Path, line: str) -> None:
    _, command, *words = shlex.split(line.replace("MODEL", str(folder / MODEL)))
    with contextlib.chdir(folder):
        done = CliRunner().invoke(COMMANDS[command], words)
    assert done.exit_code == 0, done.output
