"""What callers give in place of an image: names, shapes, counts and numbers are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cenote.adapters.qwen_vl import PreparedEmbeds
from cenote.errors import InvalidRequest

GRIDS = [[1, 4, 6], [1, 2, 2]]
ROWS = torch.arange(7 * 8, dtype=torch.float32).reshape(7, 8)


def _of(rows: Any, grids: Any) -> tuple[PreparedEmbeds, ...]:
    return PreparedEmbeds.of({"image_embeds": rows, "image_grid_thw": grids}, width=8, merge_size=2)


@pytest.mark.parametrize("make", [torch.as_tensor, np.asarray, lambda value: torch.as_tensor(value).tolist()])
def test_several_images_are_told_apart_by_their_grids(make: Any) -> None:
    first, second = _of(make(ROWS), make(GRIDS))
    assert (first.grid, second.grid) == ((1, 4, 6), (1, 2, 2))
    assert torch.equal(first.rows, ROWS[:6])
    assert torch.equal(second.rows, ROWS[6:])
    assert (first.kind, first.nbytes) == ("image", 6 * 8 * 4)


def test_a_grid_may_stand_alone() -> None:
    (found,) = _of(ROWS[:1].double(), GRIDS[1])
    assert found.grid == (1, 2, 2)
    assert found.rows.dtype is torch.float32


@pytest.mark.parametrize(
    ("rows", "grids", "message"),
    [
        (ROWS[:6], GRIDS, r"has the shape \[6, 8\]; the model takes \[7, 8\] for the grids"),
        (ROWS[:, :4], GRIDS, r"has the shape \[7, 4\]; the model takes \[7, 8\]"),
        (ROWS.flatten(), GRIDS, r"has the shape \[56\]"),
        (ROWS.index_fill(0, torch.tensor([3]), float("nan")), GRIDS, "NaN or infinite"),
        (ROWS.index_fill(0, torch.tensor([0]), float("inf")), GRIDS, "NaN or infinite"),
        (ROWS, [[1, 4, 6]], r"the model takes \[6, 8\]"),
        (ROWS, [[7, 2, 2]], "An image has one frame"),
        (ROWS, [[1, 3, 2]], "multiples of 2"),
        (ROWS, [[1, 0, 2]], "multiples of 2"),
        (ROWS, [[1, 2**40, 2**40]], "multiples of 2"),
        (ROWS, [[1, 4]], "rows of three whole numbers"),
        (ROWS, [[1.0, 4.0, 6.0]], "rows of three whole numbers"),
        (ROWS, [[[1, 4, 6]]], "rows of three whole numbers"),
        ("text", GRIDS, "'image_embeds' must be an array of numbers, found str"),
        ([[1.0], [1.0, 2.0]], GRIDS, "'image_embeds' must be an array of numbers"),
    ],
)
def test_what_does_not_fit_is_refused(rows: Any, grids: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        _of(rows, grids)
    assert caught.value.param == "image_embeds"


@pytest.mark.parametrize(
    "value", [None, ROWS, {"image_embeds": ROWS}, {"image_embeds": 1, "image_grid_thw": 1, "x": 1}]
)
def test_other_names_are_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="a mapping with image_embeds and image_grid_thw"):
        PreparedEmbeds.of(value, width=8, merge_size=2)
