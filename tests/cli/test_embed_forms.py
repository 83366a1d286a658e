"""`cenote embed --output` and `--output-dtype`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cenote import LLM
from cenote.cli.embed import app
from cenote.errors import InvalidRequest
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["a text", "another one"]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of 32 components."""
    return str(build_checkpoint("bert", tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("splade", tmp_path_factory.mktemp("splade")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process; what it raises is raised."""
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_several_forms_are_fields_of_each_record(run: Run, embedder: str) -> None:
    records = json.loads(run("--model", embedder, *TEXTS, "--output", "dense,multi", "--json"))
    assert [record["text"] for record in records] == TEXTS
    with LLM(embedder) as llm:
        for record, output in zip(records, llm.encode(TEXTS, outputs=["dense", "multi"]), strict=True):
            assert set(record) == {"index", "text", "tokens", "dense", "multi", "positions"}
            assert output.outputs.dense is not None
            assert output.outputs.multi is not None
            assert record["dense"] == pytest.approx(output.outputs.dense.tolist(), abs=1e-5)
            assert np.shape(record["multi"]) == tuple(output.outputs.multi.shape)
            assert record["positions"] == output.outputs.positions == list(range(record["tokens"]))


def test_vectors_of_tokens_are_merged(run: Run, embedder: str) -> None:
    options = ["--model", embedder, "--output", "multi", "--pool-factor", "2", "--output-dtype", "ubinary"]
    records = json.loads(run("one text that is longer", *TEXTS, *options, "--json"))
    for record in records:
        count = 1 + (record["tokens"] - 1) // 2
        assert np.shape(record["multi"]) == (count, 4)
        assert len(record["positions"]) == count
        assert sorted(place for group in record["positions"] for place in group) == list(range(record["tokens"]))
    for forms in ("dense", "sparse"):
        with pytest.raises(InvalidRequest, match="ask for --output multi") as caught:
            run("--model", embedder, TEXTS[0], "--output", forms, "--pool-factor", "2")
        assert caught.value.param == "pool_factor"


def test_terms_are_shown_with_their_weights(run: Run, model: str) -> None:
    (record,) = json.loads(run("--model", model, TEXTS[0], "--output", "sparse", "--json"))
    terms = record["sparse"]
    assert len(terms["indices"]) == len(terms["values"]) == len(terms["tokens"]) > 0
    heading, row = run("--model", model, TEXTS[0], "--output", "sparse").splitlines()
    assert heading.split() == ["text", "tokens", "terms", "heaviest", "terms"]
    heaviest = terms["tokens"][int(np.argmax(terms["values"]))]
    assert f"{heaviest} {max(terms['values']):.2f}" in row


def test_a_table_gives_the_sizes_of_forms(run: Run, embedder: str) -> None:
    heading, row = run("--model", embedder, TEXTS[0], "--output", "dense,multi").splitlines()
    assert heading.split() == ["text", "tokens", "dense", "multi"]
    assert row.split()[-4:] == ["32", "5", "x", "32"]


@pytest.mark.parametrize(("dtype", "stored", "size"), [("int8", "int8", 32), ("ubinary", "uint8", 4)])
def test_a_precision_reaches_every_form(
    run: Run, embedder: str, tmp_path: Path, dtype: str, stored: str, size: int
) -> None:
    words = ("--model", embedder, TEXTS[0], "--output-dtype", dtype)
    (record,) = json.loads(run(*words, "--json"))
    run(*words, "--save", str(tmp_path / "rows.npy"))
    rows = np.load(tmp_path / "rows.npy")
    assert rows.dtype == stored
    assert rows.shape == (1, size)
    assert rows[0].tolist() == record["embedding"]
    assert run(*words).splitlines()[1].split()[3] == str(size)


def test_a_precision_of_a_plugin_keeps_its_type_in_files(run: Run, embedder: str, tmp_path: Path) -> None:
    class Wide:
        def encode(self, rows: Any, param: str) -> Any:
            return np.rint((rows + 1) * 1000).astype("u2")

    remove = default_registry().register("cenote.output_codecs", "wide", Wide())
    try:
        words = ("--model", embedder, TEXTS[0], "--output-dtype", "wide")
        (record,) = json.loads(run(*words, "--json"))
        run(*words, "--save", str(tmp_path / "rows.npy"))
    finally:
        remove()
    rows = np.load(tmp_path / "rows.npy")
    assert rows.dtype == np.uint16
    assert rows.tolist() == [record["embedding"]]
    with pytest.raises(InvalidRequest, match="output_dtype is 'wide'; it must be one of float32, binary, float16"):
        run("a text", "--output-dtype", "wide", "--model", "/no/such/model")  # nothing is loaded for that


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "dense,lexical"], "output has no 'lexical'; known: dense, sparse, multi"),
        (["--output", "dense,multi", "--format", "npy"], "npy holds dense vectors only"),
    ],
)
def test_what_cannot_be_given_is_refused(run: Run, arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run("a text", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "sparse", "--format", "npy"], "npy holds dense vectors only"),
        (["--output", "sparse", "--save", "terms.npy"], "npy holds dense vectors only"),
        (["--save", "rows.txt"], "does not say the form"),
        (["--save", "rows.json", "--format", "table"], "for the terminal"),
        (["--save", "absent/rows.json"], "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_model_is_loaded(
    run: Run, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Loading this folder would be another error.
    with pytest.raises(InvalidRequest, match=message):
        run("--model", str(tmp_path), "a text", *arguments)
