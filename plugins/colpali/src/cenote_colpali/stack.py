"""A vision tower of a fixed image size in front of a language model, checked at load against the whole model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.packing import pack, select
from cenote.adapters.probes import tolerance, vocabulary
from cenote.adapters.qwen_vl import VisualTokens
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.towers import FixedImages, FixedTower, PreparedPixels, visual_rows
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError
from cenote.types import PackedBatch
from cenote_colpali.pages import Page

__all__ = ["PageStack", "Parts", "load_page_stack"]

_log = logging.getLogger(__name__)

#: From ids [1, length], and pixels [tiles, 3, height, width] where there are any, to hidden states [1, length, hidden].
Reference: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
#: Prompts that are compared at load: words in front of an image, its tiles, words behind.
_PROMPTS = ((7, 0, 0), (2, 1, 5), (0, 0, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A loaded model in parts.

    Attributes:
        language_model: reads words and rows of images.
        vision: of transformers; its layers are prepared.
        rows: from pixels [n, 3, height, width] to the rows of their tokens [n, tokens, hidden].
        reference: what the whole model computes.
        images: its image processor.
        image_token: id of the token that stands for a row.
        tiles: of an image in the check at load.
        first_position: where positions begin.
        looks_ahead: the language model is one for generating text, but its tokens see later ones here.
        lora_heads: where the language model stands in what people train adapters of.
    """

    language_model: Any
    vision: Any
    rows: Callable[[Tensor], Tensor]
    reference: Reference
    images: FixedImages
    image_token: int
    tiles: int = 1
    first_position: int = 0
    looks_ahead: bool = False
    lora_heads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStack:
    """A model that reads words and images.

    Attributes:
        stack: the language model with its tokenizer and low-rank adapters.
        tower: makes rows of images.
        tokens: the placeholder of prompts.
        tile: how many tokens stand for a tile.
        together: prompts with images run as one batch, else one by one.
        first_position: where positions begin.
    """

    stack: TextStack
    tower: FixedTower
    tokens: VisualTokens
    tile: int
    together: bool
    first_position: int = 0

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the hidden states [T, hidden] of a batch, whose `media` hold a tuple of `Page` per prompt, or None.

        Raises:
            InvalidRequest: placeholders do not fit the images.
        """
        media = [page.pixels for pages in batch.media for page in pages or ()]
        if self.first_position:
            batch = replace(batch, position_ids=batch.position_ids + self.first_position)
        if not media:
            return self.stack.backbone(batch)
        rows = torch.cat([found.flatten(0, 1) for found in self.tower(media)])
        batch = replace(batch, visual=visual_rows(batch, rows, batch.input_ids == self.tokens.image))
        if self.together:
            return self.stack.backbone(batch)
        return torch.cat([self.stack.backbone(select(batch, [index])) for index in range(len(batch.lengths))])

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of its parts."""
        images = "with others" if self.together else "one prompt at a time, since together they gave other results"
        return {**self.stack.facts(), "vision tower": self.tower.execution, "prompts with images": images}


def load_page_stack(checkpoint: Checkpoint, options: LoadOptions, parts: Parts) -> PageStack:
    """Let a loaded model run packed where that is exact.

    A few prompts are run by transformers' own forward first, alone. What runs afterwards must give the same: together,
    or else one prompt at a time.

    Args:
        checkpoint: with the tokenizer.
        options: what the user asked for.
        parts: of the model, in evaluation mode. Its reference is called before anything is changed.

    Raises:
        CheckpointError: files are missing or do not fit, the model computes NaN, or no way of running is exact.
        InvalidRequest: an option does not fit the checkpoint.
    """
    high, wide = parts.images.tile
    tile = _tokens_of(parts, high, wide)
    prompts = _prompts(parts, tile)
    expected = torch.cat([_alone(parts, *prompt) for prompt in prompts])
    if not bool(torch.isfinite(expected).all()):
        raise CheckpointError("The model computes NaN or infinity for a prompt with an image; its weights are broken.")
    if parts.looks_ahead:
        parts.language_model.config.is_causal = False  # transformers makes the masks of its language models by this
    tower = FixedTower.of(parts.vision, parts.images, run=parts.rows)
    stack = load_stack(checkpoint, options, whole=parts.language_model, lora_heads=parts.lora_heads)
    tokens = VisualTokens(image=parts.image_token, video=-1, merge_size=1)
    media = [None if pixels is None else (Page(pixels, (len(pixels.pixels), 1, tile)),) for _, pixels in prompts]
    batch = pack([ids for ids, _ in prompts], device=options.device, media=media)
    for together in (True, False):
        found = PageStack(
            stack=stack,
            tower=tower,
            tokens=tokens,
            tile=tile,
            together=together,
            first_position=parts.first_position,
        )
        with torch.inference_mode():
            difference = float((found.forward(batch).float() - expected).abs().max() / expected.abs().max())
        if difference <= tolerance(parts.language_model.dtype):
            return found
        if together:
            _log.warning("prompts with images run one by one: together they are off by %.1e", difference)
    raise CheckpointError(
        f"Prompts with images differ by {difference:.1e} of the largest value from what the installed transformers "
        "computes, even one by one. Try execution='padded' (--execution padded)."
    )


def _tokens_of(parts: Parts, high: int, wide: int) -> int:
    """Return how many rows a tile becomes.

    Raises:
        CheckpointError: the vision tower reads images of another size.
    """
    weight = next(parts.vision.parameters())
    pixels = torch.zeros(1, 3, high, wide, dtype=weight.dtype, device=weight.device)
    try:
        with torch.inference_mode():
            return parts.rows(pixels).shape[1]
    except (ValueError, RuntimeError) as exc:
        raise CheckpointError(
            f"{type(parts.vision).__name__} cannot read images of {high} x {wide} pixels, which the files of the image "
            f"processor ask for: {exc}"
        ) from exc


def _prompts(parts: Parts, tile: int) -> list[tuple[tuple[int, ...], PreparedPixels | None]]:
    """Return ids, and the image of those that have one."""
    generator = torch.Generator().manual_seed(24)
    ordinary = torch.tensor([token for token in range(vocabulary(parts.language_model)) if token != parts.image_token])

    def words(count: int) -> Sequence[int]:
        found: list[int] = ordinary[torch.randint(len(ordinary), (count,), generator=generator)].tolist()
        return found

    prompts: list[tuple[tuple[int, ...], PreparedPixels | None]] = []
    for before, images, after in _PROMPTS:
        pixels: PreparedPixels | None = None
        if images:
            shape = (parts.tiles, 3, *parts.images.tile)
            pixels = PreparedPixels(torch.randint(256, shape, dtype=torch.uint8, generator=generator).numpy())
        held = [parts.image_token] * (tile * parts.tiles * images)
        prompts.append(((*words(before), *held, *words(after)), pixels))
    return prompts


def _alone(parts: Parts, ids: tuple[int, ...], image: PreparedPixels | None) -> Tensor:
    """Return what the model itself computes for a prompt, [length, hidden] in float32.

    Raises:
        CheckpointError: it cannot be run.
    """
    model = parts.language_model
    pixels: Tensor | None = None
    if image is not None:
        table = torch.from_numpy(parts.images.table)
        channels = [table[channel][torch.from_numpy(image.pixels[:, channel]).int()] for channel in range(3)]
        pixels = torch.stack(channels, dim=1).to(model.device, model.dtype)
    try:
        with torch.inference_mode():
            return parts.reference(torch.tensor([ids], device=model.device), pixels)[0].float()
    except Exception as exc:  # sizes in the config that do not fit each other fail anywhere inside
        text = f"The model cannot run a prompt with an image ({type(exc).__name__}: {exc})"
        raise CheckpointError(f"{text}. config.json does not fit the weights.") from exc
