"""Where `cenote embed` takes texts from and how it writes vectors; the model itself has its own tests."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cenote.cli.texts import read_texts, split_model
from cenote.cli.vectors import Format, write_vectors
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["a text", "ein Wört"]
RESULTS = [
    SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=SimpleNamespace(data=torch.tensor([0.6, 0.8]))),
    SimpleNamespace(prompt_token_ids=[1, 4], outputs=SimpleNamespace(data=torch.tensor([1.0, 0.0]))),
]


@pytest.mark.parametrize(
    ("words", "model", "expected"),
    [
        (["BAAI/bge-m3", "a text"], None, ("BAAI/bge-m3", ["a text"])),
        (["./folder", "a text"], None, ("./folder", ["a text"])),
        (["a text", "BAAI/bge-m3"], None, (None, ["a text", "BAAI/bge-m3"])),
        (["either/or this"], None, (None, ["either/or this"])),
        (["BAAI/bge-m3"], "other", ("other", ["BAAI/bge-m3"])),
        ([], None, (None, [])),
    ],
)
def test_the_first_word_is_the_model_if_it_looks_like_one_and_none_is_named(words, model, expected):
    assert split_model(words, model) == expected


def test_a_folder_is_a_model_if_it_has_a_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert split_model(["model"], None) == (None, ["model"])
    (tmp_path / "model" / "config.json").write_text("{}")
    assert split_model(["model"], None) == ("model", [])


def test_each_line_of_a_file_is_one_text_also_an_empty_one(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffone\r\n\ntwo \x0c and \u2028 more\nlast".encode())
    assert read_texts([], file) == ["one", "", "two \x0c and \u2028 more", "last"]


def test_standard_input_is_read_where_nothing_else_is_given(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"eins\nzwei\n")))
    assert read_texts([], None) == ["eins", "zwei"]


@pytest.mark.parametrize(
    ("texts", "content", "message"),
    [
        (["a"], b"x", "not both"),
        ([], b"", "There is no text"),
        ([], b"ab\xff", r"is not UTF-8 \(byte 2\)"),
        ([], None, "No such file"),
    ],
)
def test_wrong_sources_of_text_are_refused(tmp_path, texts, content, message):
    file = tmp_path / "texts.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidRequest, match=message):
        read_texts(texts, file)


def test_json_and_jsonl_hold_text_tokens_and_vector(tmp_path):
    for name in ("out.json", "out.jsonl"):
        write_vectors(RESULTS, TEXTS, None, tmp_path / name)
    whole = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert whole == lines
    assert whole[1] == {"index": 1, "text": "ein Wört", "tokens": 2, "embedding": [1.0, 0.0]}


def test_npy_is_a_float32_matrix_in_the_order_of_the_texts(tmp_path):
    write_vectors(RESULTS, TEXTS, Format.npy, tmp_path / "any.name")
    matrix = np.load(tmp_path / "any.name")
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, np.float32([[0.6, 0.8], [1.0, 0.0]]))


def test_the_table_shows_size_and_norm(capsys):
    write_vectors(RESULTS, TEXTS, None, None)
    printed = capsys.readouterr().out
    assert "ein Wört" in printed
    assert "1.0000" in printed


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [(None, "out.txt", "does not say the form"), (Format.table, "out.txt", "for the terminal")],
)
def test_an_unclear_form_is_refused(tmp_path, form, name, message):
    with pytest.raises(InvalidRequest, match=message):
        write_vectors(RESULTS, TEXTS, form, tmp_path / name)


def test_an_unwritable_file_is_refused_with_the_reason(tmp_path):
    with pytest.raises(InvalidRequest, match="No such file or directory"):
        write_vectors(RESULTS, TEXTS, Format.json, tmp_path / "absent" / "out.json")


def test_a_narrow_table_cuts_texts_not_numbers_and_writes_control_characters_out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    long = [
        SimpleNamespace(
            prompt_token_ids=[1, 2], outputs=SimpleNamespace(data=torch.tensor([-0.5, -0.5, -0.5, -0.5] * 256))
        )
    ] * 2
    write_vectors(long, ["\x1b[31mred\a\r", "many words " * 20], None, None)
    printed = capsys.readouterr().out
    assert printed.count("-0.5000 -0.5000 -0.5000 -0.5000 …\n") == 2
    assert "\\x1b[31mred\\x07\\r" in printed
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("words", [("and/or", "yes"), ("1/2",)])
def test_a_text_that_was_taken_for_a_model_is_told_so(here, words):
    finished = here("embed", *words)
    assert finished.returncode != 0
    assert f"{words[0]!r} was taken for the model; put texts after -- or use --model." in finished.stderr


def test_what_follows_two_dashes_is_text(here):
    finished = here("embed", "--format", "jsonl", "--", "and/or", "--model")
    assert [json.loads(line)["text"] for line in finished.stdout.splitlines()] == ["and/or", "--model"]


def test_an_over_long_line_is_named_by_its_number_with_the_flag_that_helps(here, tmp_path):
    model, texts = str(build_checkpoint("bert", tmp_path / "model")), tmp_path / "texts.txt"
    texts.write_text("short\nalso short\n" + "word " * 3000 + "\n")
    finished = here("embed", "--model", model, "-f", str(texts))
    assert finished.returncode == 2
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("Error: Line 3 has more than the 128 tokens")
    assert last.endswith("--truncate.")
    cut = here("embed", "--model", model, "-f", str(texts), "--truncate", "--format", "jsonl")
    assert [json.loads(line)["index"] for line in cut.stdout.splitlines()] == [0, 1, 2]


def test_the_help_shows_what_holds_by_default(site):
    shown = " ".join(site.cenote("embed", "--help").stdout.split())
    assert shown.count("[default: ") >= 4


def test_embed_without_any_text_is_bad_input_before_a_model_is_loaded(site):
    finished = site.cenote("embed")
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: There is no text.")


def test_json_has_a_flag_of_its_own_as_in_other_commands(site):
    finished = site.fresh("embed", "--json", "a text", HF_HUB_OFFLINE="1")
    assert json.loads(finished.stdout)[0]["text"] == "a text"
    refused = site.cenote("embed", "--json", "--format", "table", "a text")
    assert refused.returncode == 2
    assert "--json contradicts --format table" in refused.stderr
