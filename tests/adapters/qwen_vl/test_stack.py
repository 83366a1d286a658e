"""Whole models on prompts with images: equal to transformers' own, run eagerly and alone, whatever stands beside."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from cenote.adapters.packing import pack
from cenote.adapters.qwen_vl import PreparedEmbeds, prepare_image
from cenote.errors import InvalidRequest
from cenote.media import Picture
from cenote.testing.compare import assert_close


def test_a_mixed_batch_equals_transformers_prompt_by_prompt(tiny: ModuleType, stack: Any, twin: Any) -> None:
    given = tiny.requests(stack)
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert_close(found, twin.hidden(request), tolerance=5e-5)


def test_everything_runs_packed_and_together(stack: Any) -> None:
    assert stack.stack.backbone.execution == "packed"
    assert stack.together
    assert stack.tower.packed
    facts = stack.facts()
    assert facts["vision tower"].startswith("packed (images together and alone gave equal results at load)")
    assert facts["prompts with images"] == "with others"


def test_neighbours_and_their_order_change_nothing(tiny: ModuleType, stack: Any) -> None:
    given = tiny.requests(stack)
    alone = [tiny.run(stack, [request])[0] for request in given]
    draw = random.Random(7)
    for size in (2, 3, 6, 12):
        order = [draw.randrange(len(given)) for _ in range(size)]
        found = tiny.run(stack, [given[index] for index in order])
        for index, rows in zip(order, found, strict=True):
            assert_close(rows, alone[index], tolerance=1e-5)


def test_another_image_changes_only_its_own_prompt(tiny: ModuleType, stack: Any) -> None:
    given = tiny.requests(stack)
    before = tiny.run(stack, given)
    changed = [*given]
    changed[2] = tiny.Request(given[2].ids, (given[2].pictures[0].rotate(180), given[2].pictures[1]))
    after = tiny.run(stack, changed)
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        difference = float((old - new).abs().max())
        assert difference > 1e-2 if index == 2 else difference < 1e-5


def test_words_see_later_images_only_where_the_model_looks_ahead(tiny: ModuleType, kind: str, stack: Any) -> None:
    request = tiny.requests(stack)[0]
    other = tiny.Request(request.ids, (request.pictures[0].rotate(180),))
    (one,), (two,) = tiny.run(stack, [request]), tiny.run(stack, [other])
    ahead = float((one[:2] - two[:2]).abs().max())
    assert ahead > 1e-3 if kind == "nemotron_colembed" else ahead < 1e-5


@pytest.mark.parametrize("execution", ["padded", "packed"])
def test_forced_execution_gives_the_same(
    tiny: ModuleType, kind: str, twin: Any, folders: Callable[[str], Path], execution: str
) -> None:
    stack = tiny.load(folders(kind), execution=execution)
    assert stack.stack.backbone.execution == execution
    assert stack.tower.packed == (execution == "packed")
    given = tiny.requests(stack)
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert_close(found, twin.hidden(request), tolerance=5e-5)


def test_bfloat16_stays_near(tiny: ModuleType, kind: str, twin: Any, folders: Callable[[str], Path]) -> None:
    stack = tiny.load(folders(kind), dtype="bfloat16")
    assert stack.stack.base.dtype is stack.tower.model.dtype is torch.bfloat16
    given = tiny.requests(stack)
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        similarity = torch.nn.functional.cosine_similarity(found, twin.hidden(request), dim=-1)
        assert similarity.mean() > 0.99
        assert similarity.min() > 0.9


def test_int8_stays_near(tiny: ModuleType, kind: str, twin: Any, folders: Callable[[str], Path]) -> None:
    stack = tiny.load(folders(kind), quantization="int8")
    assert "int8" in stack.stack.execution
    given = tiny.requests(stack)
    for request, found in zip(given, tiny.run(stack, given), strict=True):
        assert torch.nn.functional.cosine_similarity(found, twin.hidden(request), dim=-1).mean() > 0.97


def test_what_the_tower_made_may_stand_in_for_an_image(tiny: ModuleType, stack: Any) -> None:
    request = tiny.requests(stack)[2]
    images = [prepare_image(Picture.of_image(item), stack.rules) for item in request.pictures]
    with torch.inference_mode():
        rows = stack.tower(images)
    value = {"image_embeds": torch.cat(rows), "image_grid_thw": [image.grid for image in images]}
    embeds = PreparedEmbeds.of(value, width=stack.tower.width, merge_size=2)
    (expected,) = tiny.run(stack, [request])
    ids = []
    for token in request.ids:
        ids += [token] if token != stack.tokens.image else [token] * stack.tokens.count(images[ids.count(token) > 0])
    for media in (embeds, (images[0], embeds[1])):
        with torch.inference_mode():
            found = stack.forward(pack([tuple(ids)], media=[media]))
        assert_close(found, expected, tolerance=1e-6)


def test_a_batch_without_any_media_is_one_of_words(stack: Any) -> None:
    with torch.inference_mode():
        found, expected = (stack.forward(pack([(5, 6), (7,)], media=media)) for media in ([(), None], None))
    assert torch.equal(found, expected)


def test_placeholders_that_do_not_fit_the_media_are_refused(stack: Any, tiny: ModuleType) -> None:
    image = prepare_image(Picture.of_image(tiny.picture(64, 64)), stack.rules)
    pad = stack.tokens.image
    for ids in ((pad,) * 3, (pad,) * 5, (pad, pad, 1, pad, pad), (pad, 1)):
        with pytest.raises(InvalidRequest, match="placeholders"):
            stack.forward(pack([(1, 2), ids], media=[None, (image,)]))
