"""Rows of the output layer that judge a prompt, read from the files or from the table that they are tied to."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.adapters.lm_words import LmWords
from cenote.adapters.stack import TextStack
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError
from cenote.poolers import Logits
from cenote.poolers.methods import PoolingMethod
from cenote.types import PoolingBatch

__all__ = ["sequence_logits", "token_logits", "word_rows"]

_HEAD = "lm_head.weight"


def word_rows(checkpoint: Checkpoint, stack: TextStack, words: LmWords, device: str) -> Tensor:
    """Return [labels, hidden] float32: a row per word, or the positive word's less the negative one's.

    Raises:
        CheckpointError: config.json says that the output layer is stored, and it is not, or that it is the embedding
            table, while another one is stored as well.
    """
    tied = bool(checkpoint.config_value("tie_word_embeddings"))
    stored = checkpoint.has_tensor(_HEAD)
    rows = None if not stored else checkpoint.read_rows(_HEAD, words.ids).to(device=device, dtype=torch.float32)
    if tied:
        weight = stack.base.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        table = weight[list(words.ids)].detach().float()
        if rows is not None and not torch.equal(rows.to(stack.dtype.value).float(), table):
            raise CheckpointError(
                f"config.json of {checkpoint.name!r} has tie_word_embeddings: true, but {_HEAD} is stored and differs "
                "from the embedding table. Set it to what the model was trained with, with hf_overrides."
            )
        rows = table
    if rows is None:
        raise CheckpointError(
            f"{checkpoint.name!r} stores no {_HEAD}, and config.json does not say that it is the embedding table "
            "(tie_word_embeddings), so that nothing judges a prompt. A file of weights may be missing."
        )
    return rows[1:] - rows[:1] if words.difference else rows


def sequence_logits(rows: Tensor, method: PoolingMethod) -> Logits:
    """Return the logits [n, labels] of whole prompts."""

    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        pooled = method(hidden, batch.lengths, [row.pooling_skip for row in batch.rows])
        return pooled.float() @ rows.T

    return logits


def token_logits(rows: Tensor) -> Logits:
    """Return the logits [T, labels] of single tokens."""
    return lambda hidden, batch: hidden.float() @ rows.T
