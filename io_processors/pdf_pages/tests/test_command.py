"""`cenote embed-pdf` writes a line of JSON for each page."""

from __future__ import annotations

import json
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
    with pytest.raises(InvalidRequest, match=r"locked\.pdf: it is encrypted; give its 'password'"):
        run(model, str(locked))


def test_the_command_is_installed() -> None:
    assert default_registry().get("cenote.commands", "embed-pdf") is embed_pdf
