"""Where vectors come from: tokens by their place, patches by row and column."""

from __future__ import annotations

from typing import Any

import torch

from cenote.engine.face import to_output
from cenote.engine.finishing import pooled
from cenote.outputs.positions import on_grids
from cenote.poolers import POSITIONS
from cenote.types import PatchGrid, PreparedInput

ONE = (PatchGrid(start=2, rows=2, columns=3),)
TWO = (PatchGrid(start=0, rows=1, columns=2), PatchGrid(start=3, rows=2, columns=1))


def _output(length: int, grids: tuple[PatchGrid, ...], kept: list[int], pool_factor: int = 1) -> Any:
    rows = torch.randn(len(kept), 8, generator=torch.Generator().manual_seed(1))
    result = {"token_embed": rows, POSITIONS: torch.tensor(kept, dtype=torch.int64)}
    prompt = PreparedInput(token_ids=(0,) * length, grids=grids)
    return to_output("a", prompt, pooled(result, pool_factor) if pool_factor > 1 else result, "token_embed").outputs


def test_tokens_of_a_text_keep_their_places() -> None:
    assert on_grids([0, 1, 4], ()) == [0, 1, 4]
    assert on_grids([[0], [1, 4]], ()) == [[0], [1, 4]]
    assert on_grids([], ONE) == []


def test_patches_of_one_image_have_row_and_column() -> None:
    found = _output(9, ONE, list(range(9))).positions
    assert found == [0, 1, [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], 8]


def test_patches_of_several_images_have_the_number_of_theirs() -> None:
    assert _output(6, TWO, list(range(6))).positions == [[0, 0, 0], [0, 0, 1], 2, [1, 0, 0], [1, 1, 0], 5]


def test_tokens_without_a_vector_are_left_out() -> None:
    assert _output(9, ONE, [1, 3, 7]).positions == [1, [0, 1], [1, 2]]


def test_merged_vectors_have_the_places_of_all_they_were_made_of() -> None:
    found = _output(9, ONE, list(range(9)), pool_factor=2)
    plain = _output(9, (), list(range(9)), pool_factor=2)
    places = [0, 1, [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], 8]
    assert found.positions == [[places[token] for token in group] for group in plain.positions]
    assert len(found.positions) == len(found.data) == 5
