"""Heads: order of cut and normalisation, mixed requests, ownership."""

from __future__ import annotations

import torch

from cenote.poolers import POSITIONS, Dense, EmbeddingHead, SequencePooler, TaskPooler, TokenPooler
from cenote.poolers.sequence import get_method
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

ROWS = torch.tensor([[3.0, 4.0, 12.0], [0.0, 0.0, 0.0]])


def _params(**values: int | bool) -> PoolingParams:
    return PoolingParams(**values)  # type: ignore[arg-type]


def test_vectors_are_cut_before_they_are_normalised() -> None:
    vector = EmbeddingHead()(ROWS, [_params(dimensions=2), _params()])[0]
    torch.testing.assert_close(vector, torch.tensor([0.6, 0.8]))


def test_a_stored_truncation_cuts_after_normalisation() -> None:
    vector = EmbeddingHead(final_cut=2)(ROWS, [_params(), _params()])[0]
    torch.testing.assert_close(vector, torch.tensor([3.0, 4.0]) / 13)


def test_a_zero_row_stays_zero() -> None:
    assert EmbeddingHead()(ROWS, [_params(), _params()])[1].tolist() == [0.0, 0.0, 0.0]


def test_each_request_of_a_batch_gets_what_it_asked() -> None:
    raw, cut = EmbeddingHead()(ROWS[[0, 0]], [_params(use_activation=False), _params(dimensions=1)])
    assert raw.tolist() == [3.0, 4.0, 12.0]
    assert cut.tolist() == [1.0]


def test_a_projection_is_computed_in_float32() -> None:
    head = EmbeddingHead(steps=(Dense(torch.eye(3) * 2, None, torch.tanh),), normalize=False)
    vector = head(ROWS.bfloat16(), [_params(), _params()])[0]
    torch.testing.assert_close(vector, torch.tanh(ROWS[0] * 2))


def test_results_own_their_memory() -> None:
    vectors = EmbeddingHead()(ROWS, [_params(), _params()])
    assert vectors[0].untyped_storage().nbytes() == 3 * 4


def test_prompts_of_a_batch_may_ask_for_different_tasks() -> None:
    head = EmbeddingHead(normalize=False)
    pooler = TaskPooler({"embed": SequencePooler(get_method("MEAN"), head), "token_embed": TokenPooler(head)})
    hidden = torch.arange(10.0).reshape(5, 2)
    rows = (
        PoolingRow(length=2, tasks=("embed",), params=PoolingParams()),
        PoolingRow(length=3, tasks=("token_embed", "embed"), params=PoolingParams()),
    )
    first, second = pooler(hidden, PoolingBatch(rows))
    assert first["embed"].tolist() == [1.0, 2.0]
    assert "token_embed" not in first
    assert second["token_embed"].tolist() == hidden[2:].tolist()
    assert second["embed"].tolist() == [6.0, 7.0]
    assert pooler.supported_tasks() == {"embed", "token_embed"}


def test_a_pooler_under_two_tasks_is_called_once_for_both() -> None:
    calls: list[int] = []

    class Both:
        def supported_tasks(self) -> frozenset[str]:
            return frozenset({"embed", "sparse_embed"})

        def __call__(self, hidden: torch.Tensor, batch: PoolingBatch) -> list[dict[str, torch.Tensor]]:
            calls.append(len(hidden))
            return [{task: torch.ones(1) for task in row.tasks if task != "token_embed"} for row in batch.rows]

    both = Both()
    tokens = TokenPooler(EmbeddingHead())
    pooler = TaskPooler({"embed": both, "sparse_embed": both, "token_embed": tokens})
    asked = [("embed", "sparse_embed"), ("sparse_embed", "token_embed"), ("token_embed",)]
    rows = tuple(PoolingRow(length=2, tasks=tasks, params=PoolingParams()) for tasks in asked)
    found = pooler(torch.randn(6, 4), PoolingBatch(rows))
    assert calls == [4]
    assert [set(item) - {POSITIONS} for item in found] == [set(tasks) for tasks in asked]
