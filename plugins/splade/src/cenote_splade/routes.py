"""Models that read queries otherwise than documents: stored weights for the one, the network for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cenote.checkpoints import Checkpoint, load_tokenizer
from cenote.checkpoints.files import read_object, safe_relative
from cenote.errors import CheckpointError, InvalidRequest
from cenote.inputs import TextEncoder
from cenote.poolers import Pooler
from cenote.types import PoolingBatch, PreparedInput, Prompt, TokenizationOptions
from cenote_splade.pooling import VocabularyPooler
from cenote_splade.terms import keep_largest

__all__ = ["RoutedPooler", "StoredPooler", "StoredTerms", "load_stored"]

#: Longest text in tokens where the tokenizer names no limit.
_NO_LIMIT = 131_072


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTerms:
    """The weight of each token, and how texts become tokens.

    Attributes:
        weights: [vocabulary] float32.
        encoder: of this side's own tokenizer.
    """

    weights: Tensor
    encoder: TextEncoder

    def prepare(self, prompt: Prompt, tokenization: TokenizationOptions, prefix: str) -> PreparedInput:
        """Tokenise a text without special tokens, whatever the request says of them.

        Raises:
            InvalidRequest: it is a pair or a conversation, or cannot be tokenised.
        """
        if prompt.messages is not None or prompt.text_pair is not None:
            text = "The queries of this model are single texts; it has no use for a pair or a conversation."
            raise InvalidRequest(text, param="input")
        return self.encoder.encode(prompt, replace(tokenization, add_special_tokens=False), prefix=prefix)


def load_stored(checkpoint: Checkpoint, path: str, size: int) -> StoredTerms:
    """Read the folder of a `SparseStaticEmbedding`.

    Args:
        checkpoint: the opened checkpoint.
        path: of the folder in it.
        size: of the vocabulary of the other side.

    Raises:
        CheckpointError: weights or tokenizer are missing, or do not fit the other side.

    Source: `SparseStaticEmbedding` of sentence-transformers 6.2.
    """
    folder = safe_relative(checkpoint.path, path)
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    tensors = checkpoint.read_tensors(path)
    weights = tensors.get("weight")
    if set(config) - {"frozen"} or set(tensors) != {"weight"} or weights is None or list(weights.shape) != [size]:
        found = ", ".join(f"{name} {list(value.shape)}" for name, value in sorted(tensors.items())) or "nothing"
        raise CheckpointError(
            f"{folder} must hold one tensor 'weight' [{size}], as many as the model has terms, and no settings but "
            f"'frozen'; found {found}, settings {', '.join(sorted(config)) or 'none'}."
        )
    tokenizer = load_tokenizer(checkpoint, str(folder))
    limit = min(tokenizer.model_max_length, _NO_LIMIT)
    # No network needs a token: a query without any has no term, as in sentence-transformers.
    encoder = TextEncoder(tokenizer, max_tokens=limit, vocab_size=size, may_be_empty=True)
    return StoredTerms(weights=weights.float(), encoder=encoder)


@dataclass(frozen=True)
class StoredPooler(VocabularyPooler):
    """Weights from the file; how often a token occurs does not matter.

    Attributes:
        terms: weight of each token.
        most_terms: weights that are kept, the largest ones; None keeps all.
        normalize: as above.
    """

    terms: StoredTerms
    most_terms: int | None = None
    normalize: bool = False

    def weights(self, hidden: Tensor, batch: PoolingBatch) -> Iterator[Tensor]:
        """Yield the weights of each prompt or span; hidden states have no say."""
        stored = self.terms.weights
        for row in batch.rows:
            for start, end in row.spans or ((0, row.length),):
                ids = torch.tensor(row.token_ids[start:end], dtype=torch.int64)
                vector = torch.zeros_like(stored)
                vector[ids] = stored[ids]
                yield keep_largest(vector, self.most_terms)


@dataclass(frozen=True, slots=True)
class RoutedPooler:
    """One pooler per route.

    Attributes:
        poolers: by the name of the route; a task that one lacks is refused before (`SpladeModel.check_tasks`).
        route: from a role to the name.
        tasks: of all together.
    """

    poolers: Mapping[str, Pooler]
    route: Callable[[str | None], str | None]
    tasks: frozenset[str]

    def supported_tasks(self) -> frozenset[str]:
        """Return the tasks of the routes."""
        return self.tasks

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Pool each prompt by its route."""
        names = [self.route(row.role) for row in batch.rows]
        if len(set(names)) == 1:
            return self.poolers[names[0] or ""](hidden, batch)
        results: list[dict[str, Tensor]] = [{} for _ in batch.rows]
        parts = hidden.split_with_sizes(list(batch.lengths))
        for name, pooler in self.poolers.items():
            chosen = [at for at, wanted in enumerate(names) if wanted == name]
            if not chosen:
                continue
            rows = PoolingBatch(tuple(batch.rows[at] for at in chosen))
            found = pooler(torch.cat([parts[at] for at in chosen]), rows)
            for at, result in zip(chosen, found, strict=True):
                results[at] = result
        return results
