"""Prompts with videos, each frame behind words of its own, and with images beside: equal to transformers alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cenote.adapters.packing import pack
from cenote.adapters.qwen_vl import PreparedImage, PreparedVideo, VisualTokens
from cenote.adapters.qwen_vl.pixels import pixel_values
from cenote.testing.compare import assert_close


def _medium(seed: int, grid: tuple[int, int, int]) -> PreparedImage | PreparedVideo:
    """Return a video of noise, or an image where there is one frame."""
    frames, rows, columns = grid
    width = 768 if frames == 1 else 1536
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randint(256, (frames * rows * columns, width), dtype=torch.uint8, generator=generator).numpy()
    return (PreparedImage if frames == 1 else PreparedVideo)(patches, grid)


VIDEO, LONGER, IMAGE = _medium(1, (2, 4, 6)), _medium(2, (3, 6, 2)), _medium(3, (1, 4, 4))


def _ids(tokens: VisualTokens, parts: tuple[Any, ...]) -> tuple[int, ...]:
    """Lay a prompt out: numbers are words; a frame of a video has words in front and behind."""
    ids: list[int] = []
    for part in parts:
        if isinstance(part, int):
            ids.append(part)
            continue
        each = tokens.count(part) // part.grid[0]
        for frame in range(part.grid[0]):
            ids += [60 + frame, 70, *[tokens.of(part.kind)] * each, 71]
    return tuple(ids)


PROMPTS: list[tuple[Any, ...]] = [
    (40, VIDEO, 41, 42),
    (43, 44, 45),
    (IMAGE, 46, LONGER, 47),
    (LONGER, 48, VIDEO),
    (49, IMAGE),
]


def _expected(twin: Any, stack: Any, parts: tuple[Any, ...]) -> torch.Tensor:
    ids = torch.tensor([_ids(stack.tokens, parts)])
    extra: dict[str, Any] = {}
    for kind, names in {
        "image": ("pixel_values", "image_grid_thw"),
        "video": ("pixel_values_videos", "video_grid_thw"),
    }.items():
        media = [part for part in parts if not isinstance(part, int) and part.kind == kind]
        if media:
            values = [pixel_values(torch.from_numpy(one.patches), stack.tower.table, 1536) for one in media]
            extra |= {names[0]: torch.cat(values), names[1]: torch.tensor([one.grid for one in media])}
    if extra:
        extra["mm_token_type_ids"] = (ids == stack.tokens.image).int() + 2 * (ids == stack.tokens.video).int()
    with torch.inference_mode():
        found: torch.Tensor = twin.model(input_ids=ids, **extra).last_hidden_state[0]
    return found


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 0), (2, 4, 2, 1, 0, 3)])
def test_videos_and_images_in_one_batch_equal_transformers_alone(stack: Any, twin: Any, order: tuple[int, ...]) -> None:
    prompts = [PROMPTS[index] for index in order]
    media = [tuple(part for part in parts if not isinstance(part, int)) or None for parts in prompts]
    sequences = [_ids(stack.tokens, parts) for parts in prompts]
    with torch.inference_mode():
        hidden = stack.forward(pack(sequences, media=media))
    for parts, found in zip(prompts, hidden.split_with_sizes([len(ids) for ids in sequences]), strict=True):
        assert_close(found, _expected(twin, stack, parts), tolerance=5e-5)


def test_frames_of_a_video_may_run_apart(stack: Any) -> None:
    rows = []
    together = stack.tower.together
    for limit in (together, 1):
        stack.tower.together = limit
        try:
            with torch.inference_mode():
                rows.append(stack.tower([VIDEO, LONGER]))
        finally:
            stack.tower.together = together
    for found, expected in zip(*rows, strict=True):
        assert_close(found, expected, tolerance=1e-5)
