"""Run a vision tower over images of unlike sizes, laid end to end without padding."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.adapters.attention import PACKED_ATTENTION, register_packed_attention
from cenote.adapters.linears import prepare_linears
from cenote.adapters.probes import relative_difference, tolerance
from cenote.adapters.qwen_vl.images import PreparedImage
from cenote.adapters.qwen_vl.patch_embed import flatten_patch_embed
from cenote.adapters.qwen_vl.pixels import pixel_values
from cenote.errors import CheckpointError
from cenote.kernels import raise_if_forced

__all__ = ["VisionTower", "prepare_tower"]

_log = logging.getLogger(__name__)

#: Patches that run together; an image that has more runs alone. Bounds the memory of many images.
_TOGETHER = 16_384

#: Patches of a frame on the host, and its rows and columns.
Frame: TypeAlias = tuple[Any, tuple[int, int]]


@dataclass(slots=True)
class VisionTower:
    """A vision model of transformers, and how it runs.

    Attributes:
        model: `Qwen3VLVisionModel` or `Qwen3_5VisionModel`.
        table: numbers by byte and channel, of `pixel_table`, on the model's device.
        packed: images of a batch run in one attention call, else one after the other.
        together: patches that run in one forward.
        width: numbers per token: the model's output and what each deepstack layer adds.
        inputs: numbers per patch that the model reads.
    """

    model: Any
    table: Tensor
    packed: bool = False
    together: int = _TOGETHER
    width: int = field(init=False)
    inputs: int = field(init=False)

    def __post_init__(self) -> None:
        config = self.model.config
        self.inputs = self.model.patch_embed.proj.weight[0].numel()
        self.width = config.out_hidden_size * (1 + len(getattr(config, "deepstack_visual_indexes", ())))

    @property
    def merge_size(self) -> int:
        """Return the patches on each side of the square that one token stands for."""
        return int(self.model.spatial_merge_size)

    def __call__(self, media: Sequence[Any]) -> list[Tensor]:
        """Return [tokens, width] for each `PreparedImage` or `PreparedVideo`; one that is there twice runs once."""
        distinct = {id(medium): medium for medium in media}
        frames = [(key, frame) for key, medium in distinct.items() for frame in _frames(medium)]
        parts: dict[int, list[Tensor]] = {key: [] for key in distinct}
        for chunk in self._chunks(frames):
            sizes = [high * wide // self.merge_size**2 for _, (_, (high, wide)) in chunk]
            rows = self._run([frame for _, frame in chunk]).split_with_sizes(sizes)
            for (key, _), part in zip(chunk, rows, strict=True):
                parts[key].append(part)
        whole = {key: torch.cat(found) if len(found) > 1 else found[0] for key, found in parts.items()}
        return [whole[id(medium)] for medium in media]

    def _chunks(self, frames: list[tuple[int, Frame]]) -> Iterator[list[tuple[int, Frame]]]:
        """Yield frames that run together."""
        chunk: list[tuple[int, Frame]] = []
        held = 0
        for item in frames:
            size = len(item[1][0])
            if chunk and held + size > self.together:
                yield chunk
                chunk, held = [], 0
            chunk.append(item)
            held += size
        if chunk:
            yield chunk

    def _run(self, frames: list[Frame]) -> Tensor:
        """Return [tokens, width] for all frames, one after the other."""
        device = self.table.device
        lengths = tuple(high * wide for _, (high, wide) in frames)
        pixels = torch.cat(
            [pixel_values(torch.from_numpy(patches).to(device), self.table, self.inputs) for patches, _ in frames]
        )
        grids = torch.tensor([(1, high, wide) for _, (high, wide) in frames], device=device)
        extra: dict[str, Any] = {}
        if self.packed:
            ends = torch.tensor((0, *lengths)).cumsum(0, dtype=torch.int32)
            # One border at the end, so that transformers calls the attention once and not once per image.
            extra = {
                "cu_seqlens": ends[[0, -1]].to(device),
                "cu_seq_lens_q": ends.to(device),
                "packed_lengths": lengths,
                "packed_key_lengths": lengths,
            }
        output = self.model(pixels.to(self.model.dtype), grid_thw=grids, **extra)
        return torch.cat([output.pooler_output, *(getattr(output, "deepstack_features", None) or ())], dim=-1)


def _frames(medium: Any) -> Iterator[Frame]:
    """Yield the frames of a medium: they do not see each other, and have equal positions."""
    count, rows, columns = medium.grid
    for start in range(0, count * rows * columns, rows * columns):
        yield medium.patches[start : start + rows * columns], (rows, columns)


def prepare_tower(tower: VisionTower, images: Sequence[PreparedImage], wanted: str) -> str:
    """Let a tower run packed where that is exact, and its linear layers in the kernel's layout.

    Args:
        tower: that runs one image after the other by the model's own attention; it is changed.
        images: of unlike sizes, to compare with.
        wanted: `auto`, `packed` (raise where it is not exact) or `padded`.

    Returns:
        What was decided, and why.

    Raises:
        CheckpointError: packed was forced and is not exact, or the tower computes NaN.
    """
    with torch.inference_mode():
        expected = torch.cat([rows for image in images for rows in tower([image])]).float()
        if not bool(torch.isfinite(expected).all()):
            raise CheckpointError("The vision tower computes NaN or infinity for an image; its weights are broken.")
        reason = "padded execution was asked for" if wanted == "padded" else _try_packed(tower, images, expected)
    if not reason:
        flatten_patch_embed(tower.model, lambda: _together(tower, images))
        layers = prepare_linears(tower.model, lambda: _together(tower, images))
        return f"packed (images together and alone gave equal results at load); {layers}"
    if wanted == "packed":
        raise CheckpointError(f"Packed execution was asked for, and the vision tower is not exact so: {reason}.")
    if wanted == "auto":
        _log.warning("the vision tower runs one image at a time: %s", reason)
    return f"one image at a time ({reason})"


def _together(tower: VisionTower, images: Sequence[PreparedImage]) -> Tensor:
    with torch.inference_mode():
        return torch.cat(tower(images)).float()


def _try_packed(tower: VisionTower, images: Sequence[PreparedImage], expected: Tensor) -> str:
    """Switch a tower to packed attention; where its results change, switch back and return why."""
    native = tower.model.config._attn_implementation
    register_packed_attention()
    tower.model.set_attn_implementation(PACKED_ATTENTION)
    tower.packed = True
    try:
        difference = relative_difference(_together(tower, images), expected)
        reason = "" if difference <= tolerance(tower.model.dtype) else f"results differ by {difference:.1e}"
    except Exception as exc:  # any failure means only that this model cannot run this way
        raise_if_forced(exc)
        reason = f"it raised {type(exc).__name__}: {exc}"
    if reason:
        tower.packed = False
        tower.model.set_attn_implementation(native)
    return reason
