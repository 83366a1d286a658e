"""Run by test_kit.py: poolers that are wrong, each in its way."""

import pytest
import torch

from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler, TokenPooler, get_method
from cenote.testing.poolers import PoolerConformance


def padded_mean(hidden, lengths, skips):
    # Divides by the longest, as a mean over padding does.
    return torch.stack([part.sum(0) / max(lengths) for part in hidden.split(list(lengths))])


def careless(hidden, lengths, skips):
    # Keeps the dtype it was given, and writes into the hidden states.
    hidden[0] = 0
    return torch.stack([part[0] for part in hidden.split(list(lengths))])


class TestPaddedMean(PoolerConformance):
    method = padded_mean


class TestCareless(PoolerConformance):
    method = careless


class Views(SequencePooler):
    def __call__(self, hidden, batch):
        skips = [0] * len(batch.rows)
        return [{"embed": row} for row in self.method(hidden, batch.lengths, skips)]


class TestViews(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls):
        return Views(get_method("CLS"), EmbeddingHead())


class Generous(TaskPooler):
    def __call__(self, hidden, batch):
        vectors, tokens = (self.poolers[name](hidden, batch) for name in ("embed", "token_embed"))
        return [a | b for a, b in zip(vectors, tokens, strict=True)]


class TestGenerous(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls):
        vectors = SequencePooler(get_method("CLS"), EmbeddingHead())
        return Generous({"embed": vectors, "token_embed": TokenPooler(EmbeddingHead())})
