"""Config objects: native ones always, foreign code only when allowed and needed, and never a question."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from cenote.checkpoints import build_config, open_checkpoint
from cenote.errors import CheckpointError, RemoteCodeRefused, UnknownArchitecture

EditConfig = Callable[..., None]

REMOTE = """
import pathlib
from transformers import PreTrainedConfig
pathlib.Path({flag!r}).write_text("ran")
class OddConfig(PreTrainedConfig):
    model_type = "odd"
    def __init__(self, width=3, **kwargs):
        self.width = width
        super().__init__(**kwargs)
"""


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A question on the terminal would wait; here it would read the end of an empty input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    # transformers copies a checkpoint's code into this folder before importing it.
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))


def _add_remote_code(folder: Path, edit_config: EditConfig, **entries: Any) -> Path:
    flag = folder / "flag"
    (folder / "odd.py").write_text(REMOTE.format(flag=str(flag)))
    edit_config(folder, auto_map={"AutoConfig": "odd.OddConfig"}, **entries)
    return flag


def test_a_known_model_type_gives_its_native_class(bert: Path) -> None:
    config = build_config(open_checkpoint(str(bert)))
    assert type(config) is BertConfig
    assert config.hidden_size == 16


@pytest.mark.parametrize("trust", [False, True])
def test_a_native_class_wins_over_foreign_code(trust: bool, bert: Path, edit_config: EditConfig) -> None:
    flag = _add_remote_code(bert, edit_config)
    config = build_config(open_checkpoint(str(bert), trust_remote_code=trust))
    assert type(config) is BertConfig
    assert not hasattr(config, "auto_map")
    assert not flag.exists()


@pytest.mark.parametrize("model_type", [None, "odd", 5, ""])
def test_foreign_code_is_refused_and_named(model_type: Any, bert: Path, edit_config: EditConfig) -> None:
    flag = _add_remote_code(bert, edit_config, model_type=model_type)
    with pytest.raises(RemoteCodeRefused, match=r"odd\.OddConfig.*trust_remote_code=True"):
        build_config(open_checkpoint(str(bert)))
    assert not flag.exists()


def test_foreign_code_runs_when_allowed_and_needed(bert: Path, edit_config: EditConfig) -> None:
    flag = _add_remote_code(bert, edit_config, model_type="odd", width=5)
    checkpoint = open_checkpoint(str(bert), trust_remote_code=True, hf_overrides={"width": 7})
    config = build_config(checkpoint)
    assert type(config).__name__ == "OddConfig"
    assert config.width == 7
    assert flag.exists()


def test_foreign_code_that_fails_is_a_clean_error(bert: Path, edit_config: EditConfig) -> None:
    _add_remote_code(bert, edit_config, model_type="odd")
    (bert / "odd.py").write_text("raise ZeroDivisionError('no luck')")
    with pytest.raises(CheckpointError, match="no luck"):
        build_config(open_checkpoint(str(bert), trust_remote_code=True))


@pytest.mark.parametrize(
    ("model_type", "message"), [(None, "no model_type"), ("bertt", "Near: bert"), ("zzzzqq", "does not know")]
)
def test_an_unknown_model_type_says_what_to_do(
    model_type: str | None, message: str, bert: Path, edit_config: EditConfig
) -> None:
    edit_config(bert, model_type=model_type)
    with pytest.raises(UnknownArchitecture, match=message) as caught:
        build_config(open_checkpoint(str(bert)))
    assert caught.value.architecture == (model_type or "")


@pytest.mark.parametrize(
    "entries",
    [
        {"hidden_size": "large"},
        {"hidden_size": 0},
        {"hidden_size": -16},
        {"hidden_size": 16.5},
        {"hidden_size": [16]},
        {"num_attention_heads": 0},
        {"num_hidden_layers": -1},
        {"vocab_size": 0},
        {"layer_norm_eps": "tiny"},
        {"dtype": "float99"},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_a_clean_error(entries: Any, bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, **entries)
    key, value = next(iter(entries.items()))
    with pytest.raises(CheckpointError, match=re.escape(key) + "|" + re.escape(str(value))):
        build_config(open_checkpoint(str(bert)))


def test_the_checkpoints_own_mapping_is_not_changed(bert: Path) -> None:
    checkpoint = open_checkpoint(str(bert))
    before = dict(checkpoint.config)
    build_config(checkpoint)
    assert checkpoint.config == before


def test_refused_code_of_a_known_repository_names_the_plugin_that_replaces_it(tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "jinaai/xlm-roberta-flash-implementation--configuration.Config"}
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["XLMRobertaModel"], "auto_map": auto_map}))
    with pytest.raises(RemoteCodeRefused, match="pip install cenote-jina"):
        build_config(open_checkpoint(str(tmp_path)))
