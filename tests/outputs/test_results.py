"""Results: conversion, equality, short reprs."""

from __future__ import annotations

import pytest
import torch

from cenote import EmbeddingOutput, EmbeddingRequestOutput, PoolingOutput, PoolingRequestOutput
from cenote.errors import ShapeError
from cenote.outputs.results import OneResult


def _raw(data: torch.Tensor) -> PoolingRequestOutput:
    return PoolingRequestOutput(request_id="7", outputs=PoolingOutput(data), prompt_token_ids=[1, 2])


def test_a_raw_vector_becomes_an_embedding() -> None:
    output = EmbeddingRequestOutput.from_base(_raw(torch.tensor([1.0, 2.0])))
    assert output.outputs == EmbeddingOutput([1.0, 2.0])
    assert output.request_id == "7"
    assert output.prompt_token_ids == [1, 2]


def test_rows_of_vectors_are_no_embedding() -> None:
    with pytest.raises(ShapeError, match=r"\[2, 3\]"):
        EmbeddingRequestOutput.from_base(_raw(torch.zeros(2, 3)))


def test_equality_compares_data() -> None:
    assert PoolingOutput(torch.ones(2)) == PoolingOutput(torch.ones(2))
    assert PoolingOutput(torch.ones(2)) != PoolingOutput(torch.zeros(2))
    assert PoolingOutput(torch.ones(2)) != "other"


def test_reprs_hide_vectors() -> None:
    assert repr(PoolingOutput(torch.zeros(3, 4))) == "PoolingOutput(data=<tensor [3, 4]>)"
    assert "[0.0" not in repr(_raw(torch.zeros(4)))


def test_numbers_of_inference_mode_become_ones_that_autograd_takes() -> None:
    with torch.inference_mode():
        row, rows = torch.ones(2), torch.ones(3, 2)
    one = PoolingOutput(row, OneResult("embed", row))
    several = PoolingOutput(row, {"embed": row, "token_embed": rows})
    weight = torch.ones(2, requires_grad=True)
    for output in (one, several):
        assert output.by_task["embed"] is output.data
        for found in output.by_task.values():
            (gradient,) = torch.autograd.grad((found @ weight).sum(), weight)
            assert gradient.tolist() == found.reshape(-1, 2).sum(0).tolist()


def test_ordinary_numbers_are_not_copied() -> None:
    row = torch.ones(2)
    assert PoolingOutput(row).data is row
