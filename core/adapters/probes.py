"""Fixed sequences that are run at load, to compare two ways of running a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone
from cenote.adapters.packing import pack
from cenote.errors import CheckpointError

__all__ = ["Probe", "build_probe", "padding_id", "position_rows", "relative_difference", "tolerance", "vocabulary"]

#: Largest difference relative to the largest hidden value, per dtype; rounding differs with the shape of a product.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 8e-2}
#: Longest probe, whatever a model's window is.
_MOST = 519


@dataclass(frozen=True, slots=True)
class Probe:
    """Sequences of unlike lengths.

    Attributes:
        sequences: token ids.
        attended: leading tokens of each that others may attend to; None: all.
        device: where they are run.
    """

    sequences: tuple[tuple[int, ...], ...]
    attended: tuple[int | None, ...]
    device: str

    def together(self, backbone: Backbone) -> Tensor:
        """Return the hidden states [T, hidden] of one batch, in float32."""
        with torch.inference_mode():
            batch = pack(list(self.sequences), device=self.device, attended=list(self.attended))
            return backbone(batch).float()

    def alone(self, backbone: Backbone, index: int) -> Tensor:
        """Return the hidden states [length, hidden] of one sequence, in float32."""
        with torch.inference_mode():
            batch = pack([self.sequences[index]], device=self.device, attended=[self.attended[index]])
            return backbone(batch).float()

    def repeated(self, times: int) -> Probe:
        """Return a probe of the sequences several times over."""
        return Probe(self.sequences * times, self.attended * times, self.device)

    def only(self, indices: Sequence[int]) -> Probe:
        """Return a probe of some of the sequences."""
        return Probe(
            tuple(self.sequences[index] for index in indices),
            tuple(self.attended[index] for index in indices),
            self.device,
        )


def tolerance(dtype: torch.dtype) -> float:
    """Return the largest difference, relative to the largest hidden value, that rounding explains."""
    return _TOLERANCE.get(dtype, 1e-4)


def padding_id(config: Any) -> int:
    """Return the padding id that a config names, or 0."""
    value = getattr(config, "pad_token_id", None)
    return value if isinstance(value, int) and value >= 0 else 0


def vocabulary(model: Any) -> int:
    """Return the rows of a model's embedding table; an id beyond them would read foreign memory or crash.

    Raises:
        CheckpointError: the model has no such table.
    """
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError) as exc:
        raise CheckpointError(
            f"{type(model).__name__} has no table of token embeddings that cenote can find, so that token ids cannot "
            "be checked. Install a plugin for this model."
        ) from exc


def position_rows(model: Any) -> int:
    """Return how many positions a model has in a table; 0 where it has none (rotary, relative positions)."""
    most = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return 0
    tokens = model.get_input_embeddings()
    tables = (layer for layer in model.modules() if isinstance(layer, torch.nn.Embedding) and layer is not tokens)
    return most if any(table.num_embeddings >= most for table in tables) else 0


def build_probe(model: Any, max_tokens: int, *, expands: bool = False) -> Probe:
    """Return sequences that a leak would show in.

    Neighbours are unlike, one sequence is longer than a sliding window, one is a single token, two are equally long.

    Args:
        model: transformers base model.
        max_tokens: longest prompt.
        expands: sequences follow whose last tokens are not attended to, two of them with tokens that a sliding window
            keeps from seeing any other.

    Raises:
        CheckpointError: the model has no table of token embeddings.
    """
    config = model.config
    window = getattr(config, "sliding_window", None) or getattr(config, "local_attention", None) or 0
    longest = min(max_tokens, window + 7 if isinstance(window, int) and 0 < window + 7 <= _MOST else 23)
    generator = torch.Generator().manual_seed(20)
    rows = config.vocab_size if isinstance(getattr(config, "vocab_size", None), int) else vocabulary(model)
    ordinary = torch.arange(rows)
    ordinary = ordinary[
        ordinary != padding_id(config)
    ]  # it would change the positions that RoBERTa computes for itself
    sizes: list[tuple[int, int | None]] = [(9, None), (longest, None), (1, None), (14, None), (9, None)]
    if expands:
        sizes += [(9, 3), (longest, 4), (max(longest - 2, 1), 3), (2, 1), (14, 13)]
    sequences = tuple(
        tuple(ordinary[torch.randint(len(ordinary), (min(size, max_tokens),), generator=generator)].tolist())
        for size, _ in sizes
    )
    attended = tuple(
        None if most is None else min(most, len(ids)) for ids, (_, most) in zip(sequences, sizes, strict=True)
    )
    return Probe(sequences, attended, str(model.device))


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference of two tensors of one shape, as a share of the largest value expected."""
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
