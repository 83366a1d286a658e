"""Write a tiny checkpoint of any text class of transformers."""

from __future__ import annotations

import contextlib
import io
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.testing.architectures.classes import Architecture
from cenote.testing.architectures.tiny import tiny_config
from cenote.testing.checkpoints.pieces import byte_level_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, byte_level, ids_of, template
from cenote.testing.checkpoints.weights import fill_parameters

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["build_architecture"]

_LONGEST = 128
_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "mask_token": "<mask>"}


def build_architecture(architecture: Architecture, folder: Path) -> PreTrainedModel:
    """Write `config.json`, weights and a tokenizer, and return the model, in evaluation mode.

    Raises:
        Exception: whatever the class raises on a tiny config.
    """
    import torch
    import transformers

    model_class: Any = getattr(transformers, architecture.name)
    config: Any = tiny_config(model_class.config_class, architecture.model_type)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = model_class(config).eval()
    fill_parameters(model, architecture.name, gain=1.0, embedding_std=1.0)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        model.save_pretrained(folder)
    for name, text in _tokenizer_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return model  # type: ignore[no-any-return]


@cache
def _tokenizer_files() -> dict[str, str]:
    """Return a byte-level tokenizer that puts a token at each end, with the ids that `tiny_config` gives them."""
    model = byte_level_model(tuple(_SPECIAL.values()))
    tokenizer = TinyTokenizer(
        model=model,
        special=_SPECIAL,
        pipeline={
            "normalizer": None,
            "pre_tokenizer": byte_level(),
            "post_processor": template(ids_of(model), ["<s>"], ["</s>"]),
            "decoder": byte_level(),
        },
        settings={"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]},
    )
    return {name: json.dumps(content) for name, content in tokenizer.files(_LONGEST).items()}
