"""What may leave a processor."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cenote.io_processors.answers import NoAnswer, json_ready, settled


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


class Counted(Vectors):
    """Holds more than its base, and the count as a text."""

    count: Any = "two"
    secret: str = "of the server"


class Strict(Vectors):
    model_config = ConfigDict(extra="forbid")


class Loose(Strict):
    secret: str = "of the server"


def test_an_answer_of_a_derived_class_is_what_the_declared_one_says() -> None:
    assert json_ready(Counted(vectors=[[1]], count=2), Vectors) == {"rows": [[1.0]], "count": 2}
    with pytest.raises(ValidationError, match="count"):
        json_ready(Counted(vectors=[[1]]), Vectors)
    with pytest.raises(ValidationError, match="secret"):
        json_ready(Loose(vectors=[[1]]), Strict)
    assert json_ready(Loose(vectors=[[1]]), None)["secret"] == "of the server"


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


class Lazy(BaseModel):
    rows: Iterable[int]


def test_an_answer_is_read_once_and_its_iterators_are_lists_for_everybody() -> None:
    whole = settled({"a": (n for n in range(3)), "b": [map(str, [1]), {"c": iter([2.5])}], "d": Row(iter("xy"))})
    assert whole == {"a": [0, 1, 2], "b": [["1"], {"c": [2.5]}], "d": Row(["x", "y"])}
    assert json_ready(whole, None) == {"a": [0, 1, 2], "b": [["1"], {"c": [2.5]}], "d": {"values": ["x", "y"]}}
    assert json_ready({"rows": [0, 1]}, Lazy) == {"rows": [0, 1]}
    with pytest.raises(NoAnswer, match=r"^an iterator in a model, data\.rows, which can be read only once$"):
        settled(Lazy(rows=(n for n in range(3))))
    assert settled((n, "x") for n in range(2)) == [(0, "x"), (1, "x")]


def test_an_answer_without_iterators_stays_the_object_that_it_is() -> None:
    values: list[Any] = [{"a": [1, "b", (None, 2.5)]}, Row([torch.ones(2)]), Vectors(vectors=[[1.0]]), {1, 2}, "text"]
    for value in values:
        assert settled(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [Decimal("Infinity")]}, "a number that is not finite, data.a.0"),
        (Row(Decimal("sNaN")), "a number that is not finite, data.values"),
        ([{"a": 1j}], "a complex number, data.0.a, which has no form in JSON"),
        ({np.complex128(1)}, "a complex number, data.0, which has no form in JSON"),
        (np.complex64(1), "complex numbers, which have no form in JSON"),
        (torch.ones(1, dtype=torch.complex64), "complex numbers, which have no form in JSON"),
        (np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"), "a time that is none"),
        ([np.timedelta64("NaT", "s")], "a time that is none"),
        (np.array([Decimal("NaN")], dtype=object), "a number that is not finite, data.0"),
    ],
)
def test_what_json_would_have_as_another_thing_never_leaves(value: object, text: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        json_ready(settled(value), None)
    assert str(caught.value) == text
