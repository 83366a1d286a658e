"""What may leave a processor."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, Field, ValidationError

from cenote.io_processors.answers import NoAnswer, json_ready


class Vectors(BaseModel):
    vectors: list[list[float]] = Field(serialization_alias="rows")
    count: int = 1


@dataclass
class Row:
    values: Any


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("text", "text"),
        ({"a": np.float32(1.5), "b": np.arange(2), 3: torch.ones(1, 2)}, {"a": 1.5, "b": [0, 1], "3": [[1.0, 1.0]]}),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1.0, 2.0]),
        (torch.eye(2).to_sparse(), [[1.0, 0.0], [0.0, 1.0]]),
        (Row((1, {"x": np.bool_(True)})), {"values": [1, {"x": True}]}),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Vectors(vectors=[[1, 2]]), {"rows": [[1.0, 2.0]], "count": 1}),
    ],
)
def test_arrays_models_and_the_like_become_what_json_holds(value: object, expected: object) -> None:
    assert json_ready(value, None) == expected


def test_an_answer_is_validated_by_its_model_and_filled_with_its_defaults() -> None:
    assert json_ready({"vectors": np.ones((1, 2))}, Vectors) == {"rows": [[1.0, 1.0]], "count": 1}
    with pytest.raises(ValidationError):
        json_ready({"vectors": "none"}, Vectors)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (float("nan"), "data"),
        ({"a": [1.0, float("inf")]}, "data.a.1"),
        ({"a": [{"b": np.float32("nan")}]}, "data.a.0.b"),
        ([10**400, [-np.inf]], "data.1.0"),
        (torch.tensor([[0.0, float("nan")]]), "data.0.1"),
        (Row(np.array([np.nan])), "data.values.0"),
        (Vectors(vectors=[[float("nan")]]), "data.rows.0.0"),
    ],
)
def test_a_number_that_is_not_finite_never_leaves(value: object, place: str) -> None:
    with pytest.raises(NoAnswer, match=f"^a number that is not finite, {place}$"):
        json_ready(value, None)


def test_what_has_no_form_in_json_is_named() -> None:
    with pytest.raises(NoAnswer, match=r"^object, which has no form in JSON$"):
        json_ready({"a": object()}, None)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        json_ready(loop, None)
    with pytest.raises(ValueError, match="vectors"):
        json_ready(Vectors.model_construct(vectors="none"), Vectors)
