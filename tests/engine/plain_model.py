"""A pooling model without a transformer, for tests of the engine around it: a token's hidden state is its id."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from cenote.errors import InvalidRequest
from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler
from cenote.poolers.sequence import get_method
from cenote.types import (
    ModelLimits,
    PackedBatch,
    PoolingParams,
    PreparedInput,
    Prompt,
    Role,
    TokenizationOptions,
)

#: Token ids with a special effect on the forward.
NAN, CRASH, BLOCK = 901, 902, 903


class PlainModel:
    """Hidden states [T, 2] are (token id, 1); some ids give NaN, raise, or wait until `release` is set."""

    def __init__(self) -> None:
        self.pooler = TaskPooler({"embed": SequencePooler(get_method("MEAN"), EmbeddingHead(normalize=False))})
        self.limits = ModelLimits(max_tokens=100, embedding_size=2, hidden_size=2, max_token_id=1000)
        self.batches: list[tuple[int, ...]] = []
        self.entered = threading.Event()
        self.release = threading.Event()

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        if not prompt.token_ids:
            raise InvalidRequest("The prompt is empty.")
        return PreparedInput(token_ids=prompt.token_ids)

    def forward(self, batch: PackedBatch) -> Tensor:
        ids = batch.input_ids.tolist()
        self.batches.append(batch.lengths)
        if BLOCK in ids:
            self.entered.set()
            assert self.release.wait(30)
        if CRASH in ids:
            raise RuntimeError("crash asked for")
        hidden = torch.stack([batch.input_ids.float(), torch.ones(len(ids))], dim=1)
        hidden[batch.input_ids == NAN] = float("nan")
        return hidden

    def report(self) -> dict[str, str]:
        return {}
