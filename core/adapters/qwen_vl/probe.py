"""Fixed prompts with images, to compare the model's own forward, prompt by prompt, with ours at load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.packing import pack
from cenote.adapters.probes import vocabulary
from cenote.adapters.qwen_vl.images import PreparedImage
from cenote.adapters.qwen_vl.pixels import pixel_values
from cenote.adapters.qwen_vl.placeholders import VisualTokens
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.types import PackedBatch

__all__ = ["VisualProbe", "build_visual_probe"]

#: Images by rows and columns of tokens, no two alike.
_SIZES = ((2, 3), (1, 1), (3, 2), (1, 4))
#: Prompts: a number is so many words, a name an image of that place in `_SIZES`.
_LAYOUTS: tuple[tuple[int | str, ...], ...] = ((5, "0", 3), ("1", 2, "2", 4), (7,), (1, "3"), (2, "1", 3))


@dataclass(frozen=True, slots=True)
class VisualProbe:
    """Prompts of words and images.

    Attributes:
        images: of unlike sizes.
        sequences: ids, placeholders repeated.
        media: per prompt, its images or None.
        tokens: the placeholders.
    """

    images: tuple[PreparedImage, ...]
    sequences: tuple[tuple[int, ...], ...]
    media: tuple[tuple[PreparedImage, ...] | None, ...]
    tokens: VisualTokens

    def batch(self, device: str) -> PackedBatch:
        """Return all prompts as one batch."""
        return pack(list(self.sequences), device=device, media=list(self.media))

    def reference(self, whole: Any, table: Tensor) -> Tensor:
        """Return the hidden states [T, hidden] that the model itself computes, one prompt after the other.

        Args:
            whole: `Qwen3VLModel` or `Qwen3_5Model`, with attention of its own.
            table: of `pixel_table`, on its device.
        """
        device = table.device
        width = whole.visual.patch_embed.proj.weight[0].numel()
        parts: list[Tensor] = []
        with torch.inference_mode():
            for ids, media in zip(self.sequences, self.media, strict=True):
                row = torch.tensor([ids], device=device)
                extra: dict[str, Tensor] = {}
                if media is not None:
                    patches = torch.cat([torch.from_numpy(image.patches) for image in media]).to(device)
                    extra = {
                        "pixel_values": pixel_values(patches, table, width),
                        "image_grid_thw": torch.tensor([image.grid for image in media], device=device),
                        "mm_token_type_ids": (row == self.tokens.image).int(),
                    }
                parts.append(whole(input_ids=row, **extra).last_hidden_state[0].float())
        whole.rope_deltas = None  # it remembers the last image's, for generating text
        return torch.cat(parts)


def build_visual_probe(whole: Any, tokens: VisualTokens, rules: ImageRules) -> VisualProbe:
    """Return prompts in which a leak, or a wrong position, would show.

    Args:
        whole: the loaded model.
        tokens: its placeholders.
        rules: of its images.
    """
    generator = torch.Generator().manual_seed(22)
    merge, width = rules.merge_size, 3 * rules.patch_size**2
    images = []
    for rows, columns in _SIZES:
        shape = (rows * columns * merge**2, width)
        patches = torch.randint(256, shape, dtype=torch.uint8, generator=generator).numpy()
        images.append(PreparedImage(patches, (1, rows * merge, columns * merge)))
    total = vocabulary(whole.language_model)
    ordinary = torch.tensor([token for token in range(total) if token not in (tokens.image, tokens.video)])

    sequences: list[tuple[int, ...]] = []
    media: list[tuple[PreparedImage, ...] | None] = []
    for layout in _LAYOUTS:
        ids: list[int] = []
        for part in layout:
            if isinstance(part, int):
                ids += ordinary[torch.randint(len(ordinary), (part,), generator=generator)].tolist()
            else:
                ids += [tokens.image] * tokens.count(images[int(part)])
        sequences.append(tuple(ids))
        media.append(tuple(images[int(part)] for part in layout if isinstance(part, str)) or None)
    return VisualProbe(tuple(images), tuple(sequences), tuple(media), tokens)
