"""`cenote embed-pdf` writes a line of JSON for each page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote_pdf_pages.command import embed_pdf
from cenote_pdf_pages.lines import writing


def run(*words: str) -> str:
    app = typer.Typer()
    app.command()(embed_pdf)
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, Exception):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_pages_are_written_as_lines(tmp_path: Path, pdf_of: Callable[..., bytes]) -> None:
    model = str(build_checkpoint("bert", tmp_path / "bert"))
    texts = [f"page {number}" for number in range(1, 20)]
    long, locked = tmp_path / "long.pdf", tmp_path / "locked.pdf"
    long.write_bytes(pdf_of(*texts))
    locked.write_bytes(pdf_of("hidden", password="secret"))
    lines = [json.loads(line) for line in run(model, str(long), "--pages", "2-", "--text").splitlines()]
    assert [line["text"] for line in lines] == texts[1:]
    assert {(line["file"], line["page_count"]) for line in lines} == {(str(long), 19)}
    with LLM(model) as llm:
        wanted = [output.outputs.embedding for output in llm.embed(texts[1:])]
    np.testing.assert_allclose([line["embedding"] for line in lines], wanted, atol=1e-6)
    run(model, str(locked), "--password", "secret", "-o", str(tmp_path / "out.jsonl"))
    assert json.loads((tmp_path / "out.jsonl").read_text())["page"] == 1
    with pytest.raises(InvalidRequest, match=r"locked\.pdf: it is encrypted; give its --password"):
        run(model, str(locked))


def test_a_bad_file_is_told_and_what_is_there_stays(
    tmp_path: Path, pdf_of: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(build_checkpoint("bert", tmp_path / "bert"))
    good, bad, locked, out = (tmp_path / name for name in ("good.pdf", "bad.pdf", "locked.pdf", "out.jsonl"))
    good.write_bytes(pdf_of("good"))
    bad.write_bytes(b"")
    locked.write_bytes(pdf_of("hidden", password="secret"))
    out.write_text("from before")
    with pytest.raises(InvalidRequest, match=r"bad\.pdf: it is no PDF file\.$"):
        run(model, str(good), str(bad), "-o", str(out))
    assert out.read_text() == "from before"
    monkeypatch.setenv("CENOTE_PDF_PASSWORD", "secret")
    run(model, str(good), str(bad), str(locked), "-o", str(out), "--on-error", "item")
    first, second, third = map(json.loads, out.read_text().splitlines())
    assert second == {"file": str(bad), "error": "it is no PDF file"}
    assert [(line["file"], line["page"]) for line in (first, third)] == [(str(good), 1), (str(locked), 1)]
    with pytest.raises(InvalidRequest, match=r"--pages 'x' is not understood"):
        run(model, str(good), "--pages", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bad.pdf",
        "bert",
        "good.pdf",
        "locked.pdf",
        "out.jsonl",
    ]


def test_the_output_is_checked_before_the_model_is_loaded(tmp_path: Path, pdf_of: Callable[..., bytes]) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_of("text"))
    for output in (tmp_path / "missing" / "out.jsonl", tmp_path):
        with pytest.raises(InvalidRequest, match=r"^--output .*: it cannot be written"):
            run(str(tmp_path / "no-model"), str(tmp_path / "a.pdf"), "-o", str(output))


def test_what_is_no_regular_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with writing(pipe) as lines:
        print("a line", file=lines)
    assert os.read(reader, 100) == b"a line\n"
    os.close(reader)
    assert pipe.is_fifo()


def test_the_command_is_installed() -> None:
    assert default_registry().get("cenote.commands", "embed-pdf") is embed_pdf
