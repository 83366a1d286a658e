"""Poolers of classifiers: calibration, activation, and the rows and columns of steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import InvalidRequest
from cenote.poolers import (
    ClassifierHead,
    EmbeddingHead,
    IdentityPooler,
    SequenceClassifier,
    StepRows,
    TaskPooler,
    TokenClassifier,
    TokenPooler,
)
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

HIDDEN = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
WEIGHT = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
IDS = ((7, 5, 7), (5,), (9, 7, 5, 7, 7))


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _tokens(hidden: Tensor, batch: PoolingBatch) -> Tensor:
    return hidden @ WEIGHT.T


def _first(hidden: Tensor, batch: PoolingBatch) -> Tensor:
    return torch.stack([part[0] for part in hidden.split_with_sizes(list(batch.lengths))]) @ WEIGHT.T


def _batch(task: str, *params: dict[str, Any]) -> PoolingBatch:
    rows = zip(IDS, params or ({},) * 3, strict=True)
    return PoolingBatch(
        tuple(PoolingRow(length=len(ids), tasks=(task,), params=PoolingParams(**p), token_ids=ids) for ids, p in rows)
    )


def _parts() -> list[Tensor]:
    return list(HIDDEN.split_with_sizes([3, 1, 5]))


def test_logits_are_calibrated_before_they_are_activated() -> None:
    head = ClassifierHead(activation=_softmax, mean=2.0, sigma=0.5)
    results = SequenceClassifier(_first, head)(HIDDEN, _batch("classify"))
    for result, part in zip(results, _parts(), strict=True):
        torch.testing.assert_close(result["classify"], _softmax((part[0] @ WEIGHT.T - 2.0) / 0.5))


def test_requests_of_one_batch_choose_their_own_activation() -> None:
    head = ClassifierHead(activation=_softmax, use_activation=False)
    batch = _batch("classify", {}, {"use_activation": True}, {"use_activation": False})
    found = [result["classify"] for result in SequenceClassifier(_first, head)(HIDDEN, batch)]
    logits = [part[0] @ WEIGHT.T for part in _parts()]
    for value, wanted in zip(found, [logits[0], _softmax(logits[1]), logits[2]], strict=True):
        torch.testing.assert_close(value, wanted)


def test_prompts_and_tokens_are_classified_in_one_batch() -> None:
    head = ClassifierHead(activation=_softmax)
    pooler = TaskPooler(
        {"classify": SequenceClassifier(_first, head), "token_classify": TokenClassifier(_tokens, head)}
    )
    rows = [
        PoolingRow(length=len(ids), tasks=(task,), params=PoolingParams(), token_ids=ids)
        for ids, task in zip(IDS, ("classify", "token_classify", "classify"), strict=True)
    ]
    results = pooler(HIDDEN, PoolingBatch(tuple(rows)))
    assert [tuple(result) for result in results] == [("classify",), ("token_classify",), ("classify",)]
    torch.testing.assert_close(results[1]["token_classify"], _softmax(_parts()[1] @ WEIGHT.T))
    torch.testing.assert_close(results[2]["classify"], _softmax(_parts()[2][0] @ WEIGHT.T))


def test_steps_are_chosen_before_the_activation() -> None:
    pooler = TokenClassifier(_tokens, ClassifierHead(activation=_softmax), steps=StepRows(tag_id=7, columns=(2, 0)))
    results = pooler(HIDDEN, _batch("token_classify"))
    assert [tuple(result["token_classify"].shape) for result in results] == [(2, 2), (0, 2), (3, 2)]
    wanted = _softmax((_parts()[2] @ WEIGHT.T)[[1, 3, 4]][:, [2, 0]])
    torch.testing.assert_close(results[2]["token_classify"], wanted)


def test_a_request_names_its_own_step_and_columns() -> None:
    pooler = TokenClassifier(_tokens, ClassifierHead(activation=_softmax), steps=StepRows(tag_id=7))
    batch = _batch("token_classify", {"step_tag_id": 5}, {}, {"returned_token_ids": [1]})
    results = pooler(HIDDEN, batch)
    torch.testing.assert_close(results[0]["token_classify"], _softmax(_parts()[0] @ WEIGHT.T)[[1]])
    assert results[2]["token_classify"].shape == (3, 1)


@pytest.mark.parametrize("columns", [(3,), (-1,), ()])
def test_a_column_that_does_not_exist_is_an_error(columns: tuple[int, ...]) -> None:
    pooler = TokenClassifier(_tokens, ClassifierHead(activation=_softmax), steps=StepRows(columns=columns))
    with pytest.raises(InvalidRequest, match="columns 0 to 2") as caught:
        pooler(HIDDEN, _batch("token_classify"))
    assert caught.value.param == "returned_token_ids"


def test_token_vectors_are_chosen_by_step_and_then_normalised() -> None:
    pooler = TokenPooler(EmbeddingHead(), steps=StepRows(tag_id=7, columns=(0, 2)))
    results = pooler(HIDDEN, _batch("token_embed"))
    wanted = torch.nn.functional.normalize(_parts()[0][[0, 2]][:, [0, 2]], dim=-1)
    torch.testing.assert_close(results[0]["token_embed"], wanted)


def test_hidden_states_can_be_had_as_they_are() -> None:
    results = IdentityPooler()(HIDDEN.bfloat16(), _batch("plugin"))
    for result, part in zip(results, _parts(), strict=True):
        torch.testing.assert_close(result["plugin"], part.bfloat16().float(), atol=0, rtol=0)
