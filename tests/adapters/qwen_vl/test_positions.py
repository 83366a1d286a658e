"""Positions of words and patches: those that transformers computes, for any order of both."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import Qwen3_5Config, Qwen3_5Model, Qwen3VLConfig, Qwen3VLModel

from cenote.adapters.qwen_vl import PreparedImage, VisualTokens, expand_placeholders, patch_grids, rope_positions
from cenote.errors import InvalidRequest
from cenote.types import PatchGrid

TOKENS = VisualTokens(image=7, video=8, merge_size=2)


class _Medium:
    """A medium of some kind and size, without pixels."""

    def __init__(self, kind: str, frames: int, rows: int, columns: int) -> None:
        self.kind = kind
        self.grid = (frames, 2 * rows, 2 * columns)


def _layout(draw: random.Random) -> tuple[list[int], list[_Medium]]:
    """Return the ids and media of a prompt; as in Qwen's own, words stand between two of them."""
    ids = [1] * draw.randint(0, 5)
    media = []
    for _ in range(draw.randint(0, 4)):
        kind = draw.choice(["image", "video"])
        medium = _Medium(kind, draw.randint(1, 3) if kind == "video" else 1, draw.randint(1, 5), draw.randint(1, 5))
        for _ in range(medium.grid[0]):
            ids += [TOKENS.of(kind)] * (TOKENS.count(medium) // medium.grid[0]) + [1] * draw.randint(1, 4)
        media.append(medium)
    return ids or [1], media


@pytest.mark.parametrize("name", ["qwen3_vl", "qwen3_5"])
def test_positions_are_those_of_transformers(name: str) -> None:
    model = (Qwen3VLModel, Qwen3_5Model)[name == "qwen3_5"]
    config = (Qwen3VLConfig, Qwen3_5Config)[name == "qwen3_5"]()
    bare = model.__new__(model)
    torch.nn.Module.__init__(bare)
    bare.config = config
    draw = random.Random(5)
    for _ in range(200):
        ids, media = _layout(draw)
        row = torch.tensor([ids])
        grids = {kind: [list(item.grid) for item in media if item.kind == kind] for kind in ("image", "video")}
        expected, _ = bare.get_rope_index(
            row,
            (row == TOKENS.image).int() + 2 * (row == TOKENS.video).int(),
            image_grid_thw=torch.tensor(grids["image"]) if grids["image"] else None,
            video_grid_thw=torch.tensor(grids["video"]) if grids["video"] else None,
        )
        found = rope_positions(len(ids), patch_grids(ids, TOKENS, media))
        assert np.array_equal(found, expected[:, 0].numpy()), (ids, grids)


def test_a_text_counts_on_by_one_in_all_three() -> None:
    assert (rope_positions(4, ()) == np.arange(4)).all()


def test_two_images_side_by_side_stay_two() -> None:
    media = [_Medium("image", 1, 1, 2), _Medium("image", 1, 2, 1)]
    grids = patch_grids([7] * 4, TOKENS, media)
    assert grids == (PatchGrid(start=0, rows=1, columns=2), PatchGrid(start=2, rows=2, columns=1))
    assert rope_positions(4, grids).tolist() == [[0, 0, 2, 2], [0, 0, 2, 3], [0, 1, 2, 2]]


def test_each_placeholder_is_repeated_as_often_as_its_medium_has_tokens() -> None:
    assert expand_placeholders([1, 7, 2, 8, 7], {7: [3, 1], 8: [2]}) == (1, 7, 7, 7, 2, 8, 8, 7)
    assert expand_placeholders([1, 2], {7: []}) == (1, 2)
    assert TOKENS.places((1, 7, 7, 2, 8)) == (1, 2, 4)


@pytest.mark.parametrize(("ids", "counts"), [([1, 7, 7], [4]), ([1], [4]), ([7], [])])
def test_more_or_fewer_placeholders_than_media_are_refused(ids: list[int], counts: list[int]) -> None:
    with pytest.raises(InvalidRequest, match=rf"{ids.count(7)} placeholders \(token 7\) for {len(counts)} images"):
        expand_placeholders(ids, {7: counts})


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([7, 7, 7, 1], "3 placeholders; its images and videos .1. have 4 tokens"),
        ([7, 7, 7, 7, 7], "5 placeholders"),
        ([7, 7, 1, 7, 7], "2 x 2 placeholders of an image do not stand together"),
        ([7, 7, 7, 8], "do not stand together"),
        ([8, 8, 8, 8], "do not stand together"),
    ],
)
def test_placeholders_that_do_not_fit_an_image_are_refused(ids: list[int], message: str) -> None:
    image = PreparedImage(np.zeros((16, 768), dtype=np.uint8), (1, 4, 4))
    with pytest.raises(InvalidRequest, match=message):
        patch_grids(ids, TOKENS, [image])
