"""Fast tokenizers from local files, without questions and without foreign code."""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import CheckpointError, MissingDependency
from cenote.testing.checkpoints import build_checkpoint

EditConfig = Callable[..., None]
WriteJson = Callable[[Path, Any], None]


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


def _ids(folder: Path, **options: Any) -> list[int]:
    return list(load_tokenizer(open_checkpoint(str(folder)), **options)("The dogs")["input_ids"])


def test_the_checkpoints_tokenizer_loads(bert: Path) -> None:
    assert _ids(bert) == [5, 6, 7]


def test_another_folder_may_be_named(bert: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bert / name).rename(other / name)
    assert _ids(bert, path=str(other)) == [5, 6, 7]
    with pytest.raises(CheckpointError, match="no tokenizer folder"):
        _ids(bert, path=str(tmp_path / "missing"))


@pytest.mark.parametrize("model_type", [None, "odd", "bert"])
def test_a_model_that_needs_its_own_code_still_gives_its_tokenizer(
    model_type: str | None, bert: Path, edit_config: EditConfig
) -> None:
    # As jina-embeddings-v3: no model_type, and code of its own for the config.
    edit_config(bert, model_type=model_type, auto_map={"AutoConfig": "owner/code--configuration.OddConfig"})
    assert _ids(bert) == [5, 6, 7]


def test_a_tokenizer_that_names_its_own_code_is_read_from_its_json(bert: Path, write_json: WriteJson) -> None:
    settings = json.loads((bert / "tokenizer_config.json").read_text())
    settings |= {"auto_map": {"AutoTokenizer": ["owner/code--x.Slow", "owner/code--x.Fast"]}, "tokenizer_class": "Odd"}
    write_json(bert / "tokenizer_config.json", settings)
    assert _ids(bert) == [5, 6, 7]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "Odd"}}'])
def test_a_broken_tokenizer_is_a_clean_error(content: str, bert: Path) -> None:
    (bert / "tokenizer.json").write_text(content)
    with pytest.raises((CheckpointError, MissingDependency), match="tokenizer of"):
        _ids(bert)


def test_no_tokenizer_at_all_is_a_clean_error(bert: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bert / name).unlink()
    with pytest.raises(CheckpointError, match="holds no vocabulary"):
        _ids(bert)


def test_old_keys_of_a_config_that_transformers_does_not_know_cause_no_warnings(tmp_path: Path) -> None:
    folder = build_checkpoint("internlm2_reward", tmp_path)  # its config has rope_scaling
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_tokenizer(open_checkpoint(str(folder)))
    assert [str(warning.message) for warning in caught] == []
