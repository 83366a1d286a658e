"""Acme's network, which no library knows, as a pooling model."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.prompts import StoredPrompts
from cenote.checkpoints import Checkpoint, load_tokenizer
from cenote.errors import CheckpointError
from cenote.inputs import TextEncoder
from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler, TokenPooler, get_method
from cenote.types import ModelLimits, PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_acme.task import StrengthPooler

__all__ = ["AcmeAdapter", "AcmePoolingModel"]


class AcmePoolingModel:
    """A table of vectors; a token's state is its own row, and a layer over the row of the token before it."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        """Read the weights, and choose how to pool: as the user says, else Acme's own method."""
        tensors = {name: value.to(options.device).float() for name, value in checkpoint.read_tensors(".").items()}
        if set(tensors) != {"table", "mix"}:
            raise CheckpointError(f"{checkpoint.name!r} must hold the tensors table and mix, found {sorted(tensors)}.")
        self._table, self._mix = tensors["table"], tensors["mix"]
        self.tokenizer = load_tokenizer(checkpoint, options.tokenizer)
        longest = options.max_model_len or int(checkpoint.config["max_tokens"])
        self._encoder = TextEncoder(self.tokenizer, max_tokens=longest, vocab_size=len(self._table))
        self._prompts = StoredPrompts()
        self._method = options.pooler_config.seq_pooling_type or "ACME_PEAK"
        method = get_method(self._method)
        head = EmbeddingHead(normalize=options.pooler_config.use_activation is not False)
        self.pooler = TaskPooler(
            {
                "acme_strength": StrengthPooler(method),
                "embed": SequencePooler(method, head),
                "token_embed": TokenPooler(head),
            }
        )
        size = self._table.shape[1]
        self.limits = ModelLimits(
            max_tokens=longest, embedding_size=size, hidden_size=size, max_token_id=self._encoder.max_token_id
        )

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt, with what the request wants in front of it; no prompts are stored under names."""
        prefix = self._prompts.prefix(prompt, role, params)
        return self._encoder.encode(prompt, tokenization, prefix=prefix, role=role)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run the network: [T, size]. Sequences lie end to end; position 0 has nothing before it."""
        rows = self._table[batch.input_ids]
        before = torch.roll(rows, 1, dims=0).masked_fill((batch.position_ids == 0)[:, None], 0.0)
        return rows + torch.tanh(before @ self._mix)

    def report(self) -> dict[str, str]:
        """Say how texts are pooled."""
        return {"pooling": self._method}


class AcmeAdapter:
    """Loads checkpoints whose architecture is `AcmeModel`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> AcmePoolingModel:
        """Load a checkpoint."""
        return AcmePoolingModel(checkpoint, options)
