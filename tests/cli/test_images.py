"""Image files on the command lines of `embed`, `rerank` and `score`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cenote import LLM
from cenote.cli.embed import app as embed_app
from cenote.cli.rerank import app as rerank_app
from cenote.cli.score import app as score_app
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.testing.checkpoints import build_checkpoint

QUERY, TEXT = "what is a cenote", "a natural pit"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("colqwen3", tmp_path_factory.mktemp("colqwen3") / "m"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pages of different sizes."""
    folder = tmp_path_factory.mktemp("pages")
    for name, size, colour in (("red.png", (64, 96), "red"), ("blue.jpg", (256, 192), "blue")):
        Image.new("RGB", size, colour).save(folder / name)
    return [folder / "red.png", folder / "blue.jpg"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; what it raises is raised."""
    monkeypatch.setenv("COLUMNS", "160")

    def call(app: Any, *arguments: Any, stdin: str | None = None) -> str:
        done = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def flags(pages: list[Path]) -> list[Any]:
    return [word for page in pages for word in ("--image", page)]


def test_images_are_embedded_after_texts(run: Run, model: str, pages: list[Path]) -> None:
    records = json.loads(run(embed_app, model, TEXT, *flags(pages), "--output", "multi", "--json"))
    assert [record.get("text", record.get("image")) for record in records] == [TEXT, *map(str, pages)]
    with LLM(model) as llm:
        prompts: list[Any] = [TEXT, *({"multi_modal_data": {"image": page.read_bytes()}} for page in pages)]
        expected = llm.encode(prompts, pooling_task="token_embed", use_tqdm=False)
    for record, output in zip(records, expected, strict=True):
        np.testing.assert_allclose(record["multi"], output.outputs.data.numpy(), atol=1e-5)
        assert record["positions"] == output.outputs.positions
    heading, *rows = run(embed_app, model, *flags(pages), "--output", "multi").splitlines()
    assert heading.split() == ["text", "tokens", "multi"]
    assert [row.split()[0].endswith(page.name) for row, page in zip(rows, pages, strict=True)] == [True, True]


def test_images_are_scored_and_ranked_as_documents(run: Run, model: str, pages: list[Path]) -> None:
    with LLM(model) as llm:
        documents: list[Any] = [TEXT, *({"multi_modal_data": {"image": page.read_bytes()}} for page in pages)]
        expected = [output.outputs.score for output in llm.score(QUERY, documents, use_tqdm=False)]
    scored = json.loads(run(score_app, model, QUERY, TEXT, *flags(pages), "--json"))
    assert [record["score"] for record in scored] == pytest.approx(expected, abs=1e-4)
    assert [record.get("text_2", record.get("image_2")) for record in scored] == [TEXT, *map(str, pages)]
    ranked = json.loads(run(rerank_app, model, QUERY, TEXT, *flags(pages), "--json"))
    assert [record["index"] for record in ranked] == sorted(range(3), key=lambda at: -expected[at])
    assert {record["document"] for record in ranked} == {TEXT, *map(str, pages)}
    only = run(rerank_app, model, QUERY, *flags(pages), "--top-n", "1", stdin="").splitlines()
    assert len(only) == 2
    table = run(score_app, model, QUERY, *flags(pages)).splitlines()
    assert [row.split()[0] for row in table[1:]] == [f"{value:.4f}" for value in expected[1:]]


def test_an_image_that_is_to_blame_is_named(run: Run, model: str, pages: list[Path]) -> None:
    for app, words in ((embed_app, [TEXT]), (rerank_app, [QUERY, TEXT]), (score_app, [QUERY, TEXT])):
        extra = ["--output", "multi"] if app is embed_app else []
        with pytest.raises(PromptTooLong) as caught:
            run(app, "--model", model, *words, *flags(pages), *extra, "--max-model-len", "40")
        notes = " ".join(getattr(caught.value, "__notes__", ()))
        assert f"That is Image '{pages[1]}'" in notes
        assert "--truncate" not in str(caught.value)


@pytest.mark.parametrize(
    ("app", "arguments", "message"),
    [
        (embed_app, ["--image", "absent.png"], "Cannot read 'absent.png': No such file or directory"),
        (rerank_app, [QUERY, "--image", "absent.png"], "Cannot read 'absent.png'"),
        (score_app, [QUERY, "--image", "absent.png"], "Cannot read 'absent.png'"),
        (score_app, ["--image", "absent.png"], "Images are scored with a query"),
        (rerank_app, ["--image", "absent.png"], "There is no query"),
    ],
)
def test_bad_files_are_refused_before_a_model_is_loaded(run: Run, app: Any, arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(app, "--model", "/no/such/model", *arguments)


def test_a_model_without_images_says_which_input_it_cannot_read(run: Run, pages: list[Path]) -> None:
    with pytest.raises(InvalidRequest, match="reads text only; the prompt has an image"):
        run(embed_app, *flags(pages[:1]))
    with pytest.raises(InvalidRequest, match="reads text only; the prompt has an image"):
        run(score_app, QUERY, *flags(pages[:1]))
