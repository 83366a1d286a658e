"""Late chunking: spans of one long text are pooled as if each were a sequence."""

from __future__ import annotations

import pytest
import torch

from cenote.errors import ShapeError
from cenote.poolers import EmbeddingHead, SequencePooler, get_method
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

HIDDEN = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))


def _row(length: int, *spans: tuple[int, int], skip: int = 0) -> PoolingRow:
    return PoolingRow(length=length, tasks=("embed",), params=PoolingParams(), spans=spans, pooling_skip=skip)


@pytest.mark.parametrize("method", ["MEAN", "CLS", "LAST", "MAX", "WEIGHTED_MEAN", "CLS+MEAN"])
def test_spans_equal_sequences_of_the_same_rows(method: str) -> None:
    pooler = SequencePooler(get_method(method), EmbeddingHead())
    batch = PoolingBatch((_row(3), _row(7, (0, 2), (2, 6), (5, 7)), _row(2, (0, 2))))
    results = [result["embed"] for result in pooler(HIDDEN, batch)]
    assert [result.dim() for result in results] == [1, 2, 2]
    pieces = [HIDDEN[3:5], HIDDEN[5:9], HIDDEN[8:10]]
    alone = pooler(torch.cat(pieces), PoolingBatch(tuple(_row(len(piece)) for piece in pieces)))
    torch.testing.assert_close(results[1], torch.stack([result["embed"] for result in alone]))
    whole = pooler(HIDDEN[:3], PoolingBatch((_row(3),)))[0]["embed"]
    torch.testing.assert_close(results[0], whole)


def test_leading_tokens_that_are_left_out_count_in_the_span_that_holds_them() -> None:
    pooler = SequencePooler(get_method("MEAN"), EmbeddingHead(normalize=False))
    result = pooler(HIDDEN, PoolingBatch((_row(12, (0, 5), (5, 12), skip=2),)))[0]["embed"]
    torch.testing.assert_close(result, torch.stack([HIDDEN[2:5].mean(dim=0), HIDDEN[5:].mean(dim=0)]))


def test_a_span_without_tokens_is_an_error() -> None:
    pooler = SequencePooler(get_method("MEAN"), EmbeddingHead())
    with pytest.raises(ShapeError, match="from token 4 to 4 has no tokens"):
        pooler(HIDDEN, PoolingBatch((_row(12, (0, 4), (4, 4)),)))
