"""Results: conversion, equality, short reprs."""

from __future__ import annotations

import pytest
import torch

from cenote import EmbeddingOutput, EmbeddingRequestOutput, PoolingOutput, PoolingRequestOutput
from cenote.errors import ShapeError


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
