"""Tiny checkpoints, saved by transformers, for tests to read and to break."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
    "max_position_embeddings": 32,
}


def _tokenizer() -> PreTrainedTokenizerFast:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "##s", "cat"]
    vocabulary = {word: number for number, word in enumerate(words)}
    rust = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer()
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=rust, unk_token="[UNK]", pad_token="[PAD]")


@pytest.fixture(scope="session")
def saved_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT as transformers saves it; tests must not change it."""
    folder = tmp_path_factory.mktemp("saved") / "bert"
    torch.manual_seed(0)
    BertModel(BertConfig(**TINY)).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def bert(saved_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT that a test may change."""
    return Path(shutil.copytree(saved_bert, tmp_path / "bert"))


@pytest.fixture
def write_json() -> Callable[[Path, Any], None]:
    """Write a JSON file, making its folder."""

    def write(path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))

    return write


@pytest.fixture
def edit_config(write_json: Callable[[Path, Any], None]) -> Callable[..., None]:
    """Change entries of a folder's `config.json`; None removes one."""

    def edit(folder: Path, **entries: Any) -> None:
        config = json.loads((folder / "config.json").read_text()) | entries
        write_json(folder / "config.json", {key: value for key, value in config.items() if value is not None})

    return edit
