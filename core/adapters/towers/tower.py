"""Run a vision tower over images of a fixed size: equal shapes together, in bounded chunks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from cenote.adapters.linears import prepare_linears
from cenote.adapters.probes import relative_difference, tolerance
from cenote.adapters.towers.images import FixedImages, PreparedPixels
from cenote.errors import CheckpointError

__all__ = ["FixedTower", "hidden_states"]

_log = logging.getLogger(__name__)

#: Pixels that run together, 16 tiles of 512 x 512; bounds the memory of many images.
_TOGETHER = 2**22
#: Tiles that are compared at load, together and alone.
_TRIALS = 3

#: Whose tile it is, and its pixels [3, height, width].
_Tile: TypeAlias = tuple[int, Any]


def hidden_states(model: Any, layer: int | None = None) -> Callable[[Tensor], Tensor]:
    """Return what gives the hidden states [n, patches, width] of pixels [n, 3, height, width].

    Args:
        model: `SiglipVisionModel`, `CLIPVisionModel` or one that is called like them.
        layer: None is the model's `last_hidden_state`, else a place in its `hidden_states`, where 0 is what the first
            layer reads and -1 what the last one gives, before any closing normalisation.
    """
    if layer is None:
        return lambda pixels: model(pixels).last_hidden_state
    return lambda pixels: model(pixels, output_hidden_states=True).hidden_states[layer]


@dataclass(slots=True)
class FixedTower:
    """A vision model and how it runs; made by `of`.

    Attributes:
        model: whose weights are used; names dtype and device.
        run: [n, 3, height, width] in the model's dtype to [n, ...].
        table: [3 * 256] float32 on the model's device, numbers by byte and channel.
        together: pixels that run in one forward; 0 runs every tile alone.
        execution: how it runs and why, for people.
    """

    model: Any
    run: Callable[[Tensor], Tensor]
    table: Tensor
    together: int = _TOGETHER
    execution: str = field(default="", init=False)

    @classmethod
    def of(
        cls,
        model: Any,
        images: FixedImages,
        *,
        run: Callable[[Tensor], Tensor] | None = None,
        layer: int | None = None,
        together: int = _TOGETHER,
    ) -> Self:
        """Make a tower, after a check on its weights that images together give what each gives alone.

        Args:
            model: of transformers, in evaluation mode; its linear layers are prepared.
            images: what it is given.
            run: what is computed, by default `hidden_states(model, layer)`.
            layer: as of `hidden_states`.
            together: most pixels in one forward.

        Raises:
            CheckpointError: it cannot read images of this size, or computes NaN or infinity.
        """
        table = torch.from_numpy(images.table).flatten().to(model.device)
        tower = cls(model, run or hidden_states(model, layer), table, together)
        tower._prepare(images.tile)
        return tower

    def __call__(self, media: Sequence[PreparedPixels]) -> list[Tensor]:
        """Return [tiles, ...] for each image, in the model's dtype; one that is there twice runs once."""
        distinct = {id(medium): medium for medium in media}
        parts: dict[int, list[Tensor]] = {key: [] for key in distinct}
        for chunk in self._chunks(distinct):
            for (key, _), rows in zip(chunk, self._run([tile for _, tile in chunk]), strict=True):
                parts[key].append(rows)
        whole = {key: torch.stack(found) for key, found in parts.items()}
        return [whole[id(medium)] for medium in media]

    def _chunks(self, media: dict[int, PreparedPixels]) -> Iterator[list[_Tile]]:
        """Yield tiles that run together; those of one image stay in their order."""
        shapes: dict[Any, list[_Tile]] = {}
        for key, medium in media.items():
            # dtype too: bytes are still to be rescaled
            tiles = shapes.setdefault((medium.pixels.shape[1:], medium.pixels.dtype), [])
            tiles.extend((key, tile) for tile in medium.pixels)
        for ((_, high, wide), _), tiles in shapes.items():
            size = max(self.together // (high * wide), 1)
            for start in range(0, len(tiles), size):
                yield tiles[start : start + size]

    def _run(self, tiles: list[Any]) -> Sequence[Tensor]:
        """Return the result of each tile."""
        device = self.table.device
        pixels = torch.from_numpy(np.stack(tiles)).to(device)
        if pixels.dtype == torch.uint8:
            offsets = torch.arange(3, dtype=torch.int32, device=device)[:, None, None] * 256
            pixels = self.table[pixels.int() + offsets]
        return self.run(pixels.to(self.model.dtype)).unbind()

    def _prepare(self, size: tuple[int, int]) -> None:
        """Compare tiles together with tiles alone, and prepare linear layers; sets `execution`."""
        generator = torch.Generator().manual_seed(23)
        shape = (_TRIALS, 1, 3, *size)
        made = torch.randint(256, shape, dtype=torch.uint8, generator=generator).numpy()
        media = [PreparedPixels(pixels) for pixels in made]
        wanted = self.together
        self.together = 0
        try:
            expected = self._outcome(media)
        except (ValueError, RuntimeError) as exc:
            high, wide = size
            raise CheckpointError(
                f"{type(self.model).__name__} cannot read images of {high} x {wide} pixels, which the files of the "
                f"image processor ask for: {exc}"
            ) from exc
        if not bool(torch.isfinite(expected).all()):
            raise CheckpointError("The vision tower computes NaN or infinity for an image; its weights are broken.")
        self.together = max(wanted, 2 * size[0] * size[1])
        found = self._outcome(media)
        difference = relative_difference(found, expected)
        if difference <= tolerance(self.model.dtype):
            how = "images together (together and alone gave equal results at load)"
        else:
            self.together = 0
            how = f"one image at a time (together they differ by {difference:.1e})"
            _log.warning("the vision tower runs %s", how)
        layers = prepare_linears(self.model, lambda: self._outcome(media))
        self.together = wanted if self.together else 0
        self.execution = f"{how}; {layers}"

    def _outcome(self, media: Sequence[PreparedPixels]) -> Tensor:
        with torch.inference_mode():
            return torch.cat(self(media)).float()
