"""Static embeddings: a table of token vectors beside a tokenizer, and no network.

Two layouts exist: `StaticEmbedding` modules of sentence-transformers, and Model2Vec's own folders, whose table may be
quantised (fewer rows than tokens, a mapping from tokens to rows, a weight per token).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError

__all__ = ["StaticTable", "StaticTokenizer", "is_model2vec", "load_static_table", "load_static_tokenizer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticTable:
    """A vector for every token: `rows[mapping[token]] * weights[token]`.

    Attributes:
        rows: [r, d], in the stored dtype; integers count as numbers.
        mapping: [tokens] int64 into `rows`; None is the token itself.
        weights: [tokens] float32; None is 1.
    """

    rows: Tensor
    mapping: Tensor | None = None
    weights: Tensor | None = None

    @property
    def tokens(self) -> int:
        """Return how many tokens have a vector."""
        return len(self.rows if self.mapping is None else self.mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticTokenizer:
    """A tokenizer without truncation, padding and special tokens, which static embeddings never use.

    Attributes:
        rust: the tokenizer.
        stored_limit: tokens after which the file's own truncation cuts, or None.
        unknown_id: the token for what is not in the vocabulary, or None.
    """

    rust: Tokenizer
    stored_limit: int | None
    unknown_id: int | None


def is_model2vec(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint is one of Model2Vec's, whose own library decides on texts and limits."""
    return checkpoint.model_type == "model2vec" or "StaticModel" in checkpoint.architectures


def load_static_table(checkpoint: Checkpoint) -> StaticTable:
    """Read the table: `embedding.weight`, or Model2Vec's `embeddings` with optional `mapping` and `weights`.

    Raises:
        CheckpointError: it is missing, has a shape that does not fit, or there are tensors with another meaning.

    Source: `StaticEmbedding.load` of sentence-transformers 6.2, `StaticModel` of model2vec 0.10.
    """
    tensors = checkpoint.read_tensors(checkpoint.backbone_path.relative_to(checkpoint.path).as_posix())
    allowed = {"embedding.weight"} if "embedding.weight" in tensors else {"embeddings", "mapping", "weights"}
    unknown = sorted(set(tensors) - allowed)
    rows = tensors.get("embedding.weight", tensors.get("embeddings"))
    if unknown or rows is None or rows.dim() != 2:
        found = ", ".join(f"{name} {list(value.shape)}" for name, value in sorted(tensors.items())) or "nothing"
        raise CheckpointError(
            f"{checkpoint.name!r} does not hold static embeddings: needed is 'embedding.weight', or 'embeddings' with "
            f"'mapping' and 'weights', found {found}."
        )
    table = StaticTable(rows=rows, mapping=_long(tensors.get("mapping")), weights=_float(tensors.get("weights")))
    _check(table)
    return table


def load_static_tokenizer(checkpoint: Checkpoint, table: StaticTable) -> StaticTokenizer:
    """Read `tokenizer.json` as it is, as both libraries do: no other file has a say.

    Raises:
        CheckpointError: there is none, it is broken, or it knows tokens that have no vector.
    """
    file = checkpoint.backbone_path / "tokenizer.json"
    content = read_object(file)
    truncation, model = content.get("truncation") or {}, content.get("model") or {}
    try:
        bare = Tokenizer.from_str(json.dumps(content | {"truncation": None, "padding": None, "post_processor": None}))
    except Exception as exc:  # the tokenizers library raises plain Exception for every fault
        raise CheckpointError(f"{file} is not a tokenizer: {exc}. Download it again.") from exc
    largest = max(bare.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= table.tokens:
        raise CheckpointError(
            f"The tokenizer of {checkpoint.name!r} has token {largest}, but only {table.tokens} tokens have a vector."
        )
    unknown = model.get("unk_id")
    if isinstance(model.get("unk_token"), str):
        unknown = bare.token_to_id(model["unk_token"])
    return StaticTokenizer(rust=bare, stored_limit=truncation.get("max_length"), unknown_id=unknown)


def _long(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.to(torch.int64)


def _float(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()


def _check(table: StaticTable) -> None:
    mapping, weights, rows = table.mapping, table.weights, len(table.rows)
    if mapping is not None and (mapping.dim() != 1 or len(mapping) == 0 or not _within(mapping, rows)):
        raise CheckpointError(f"'mapping' of the static embeddings must map every token to one of {rows} rows.")
    if weights is not None and list(weights.shape) != [table.tokens]:
        raise CheckpointError(
            f"'weights' of the static embeddings has shape {list(weights.shape)}, needed is one for each of "
            f"{table.tokens} tokens."
        )


def _within(mapping: Tensor, rows: int) -> bool:
    return bool(mapping.min() >= 0) and bool(mapping.max() < rows)
