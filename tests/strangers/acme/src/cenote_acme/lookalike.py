"""A tiny checkpoint of Acme's architecture, for tests."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

__all__ = ["write_checkpoint"]

_SIZE = 16
_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def write_checkpoint(folder: Path) -> Path:
    """Write config, tokenizer and weights; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["AcmeModel"], "model_type": "acme", "max_tokens": 64}
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {"[PAD]": 0, **{letter: index + 1 for index, letter in enumerate(_BYTES)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    chance = torch.Generator().manual_seed(7)
    table = torch.randn(len(vocabulary), _SIZE, generator=chance)
    save_file({"table": table, "mix": torch.randn(_SIZE, _SIZE, generator=chance)}, folder / "model.safetensors")
    return folder
