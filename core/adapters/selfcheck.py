"""Decide at load whether a model may run packed: run it packed and alone, and compare.

Some families take the attention function and leak between sequences all the same (relative position bias,
convolutions), without an error. Only the numbers tell.
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from cenote.adapters.attention import PACKED_ATTENTION, register_packed_attention
from cenote.adapters.backbone import Backbone, PackedBackbone, PaddedBackbone, accepts, pack
from cenote.adapters.families import Family
from cenote.adapters.regimes import by_rope_regime
from cenote.errors import CheckpointError

__all__ = ["choose_execution", "padding_id", "probe", "probe_sequences", "tolerance"]

_log = logging.getLogger(__name__)

#: Largest difference relative to the largest hidden value, per dtype; rounding differs with the shape of a product.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 8e-2}


def tolerance(dtype: torch.dtype) -> float:
    """Return the largest difference, relative to the largest hidden value, that rounding explains."""
    return _TOLERANCE.get(dtype, 1e-4)


def padding_id(config: Any) -> int:
    """Return the padding id that a config names, or 0."""
    value = getattr(config, "pad_token_id", None)
    return value if isinstance(value, int) and value >= 0 else 0


def probe_sequences(config: Any, max_tokens: int) -> list[tuple[int, ...]]:
    """Return sequences that a leak would show in: unlike neighbours, one longer than a sliding window."""
    window = getattr(config, "sliding_window", None) or getattr(config, "local_attention", None) or 0
    longest = min(max_tokens, window + 7 if 0 < window <= 512 else 23)
    generator = torch.Generator().manual_seed(20)
    # The padding id would change the positions that RoBERTa computes for itself.
    ordinary = torch.tensor([token for token in range(int(config.vocab_size)) if token != padding_id(config)])
    return [
        tuple(ordinary[torch.randint(len(ordinary), (min(size, max_tokens),), generator=generator)].tolist())
        for size in (9, longest, 1, 14)
    ]


def probe(backbone: Backbone, config: Any, max_tokens: int, device: str) -> torch.Tensor:
    """Return the hidden states [T, hidden] of fixed sequences, to compare two states of a model."""
    with torch.inference_mode():
        return backbone(pack(probe_sequences(config, max_tokens), device=device)).float()


def _alone(model: Any, max_tokens: int) -> torch.Tensor:
    """Return the hidden states of the probe, each sequence run alone by the model's own attention.

    Raises:
        CheckpointError: the model cannot be run this way, or computes NaN.
    """
    backbone = by_rope_regime(PaddedBackbone(model, padding_id(model.config)), model)
    device = str(next(model.parameters()).device)
    try:
        with torch.inference_mode():
            parts = [backbone(pack([ids], device=device)) for ids in probe_sequences(model.config, max_tokens)]
        hidden = torch.cat(parts).float()
    except Exception as exc:
        # A foreign model may raise anything; it means that the generic adapter does not know how to call it.
        raise CheckpointError(
            f"{type(model).__name__} cannot be run by the generic adapter ({type(exc).__name__}: {exc}). "
            "Install a plugin for this model."
        ) from exc
    if not bool(torch.isfinite(hidden).all()):
        raise CheckpointError("The model computes NaN or infinity for ordinary tokens; its weights are broken.")
    return hidden


def _difference(backbone: Backbone, expected: torch.Tensor, model: Any, max_tokens: int) -> float:
    """Return the largest difference of the probe as one batch, relative to the largest hidden value."""
    device = str(next(model.parameters()).device)
    found = probe(backbone, model.config, max_tokens, device)
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


def choose_execution(model: Any, family: Family, wanted: str, max_tokens: int) -> tuple[Backbone, str]:
    """Return the way to run a model, and the reason in words.

    Args:
        model: transformers base model.
        family: what is known of it.
        wanted: `auto`, `packed` (raise where it is not exact) or `padded`.
        max_tokens: longest prompt.

    Raises:
        CheckpointError: packed was forced and is not exact, the model cannot be run, or its weights give NaN.
    """
    expected = _alone(model, max_tokens)
    reason = "padded execution was asked for"
    if wanted == "auto" and not family.packs:
        reason = f"{family.title} does not run packed: {family.reason}"
    elif wanted != "padded":
        native = model.config._attn_implementation
        register_packed_attention()
        model.set_attn_implementation(PACKED_ATTENTION)
        tried = _try_packed(model, expected, max_tokens, family)
        if not isinstance(tried, str):
            return tried, "packed and alone gave equal results at load"
        model.set_attn_implementation(native)
        reason = tried
    if wanted == "packed":
        raise CheckpointError(f"Packed execution was asked for, and is not exact for this model: {reason}.")
    if wanted == "auto":
        _log.warning("padded execution: %s", reason)
    return _padded(model, expected, max_tokens, reason)


def _padded(model: Any, expected: torch.Tensor, max_tokens: int, reason: str) -> tuple[Backbone, str]:
    """Return padded execution; without any padding where even masked padding changes the results (FNet)."""
    pad = padding_id(model.config)
    difference = _difference(by_rope_regime(PaddedBackbone(model, pad, waste=1.0), model), expected, model, max_tokens)
    if difference <= tolerance(model.dtype):
        return by_rope_regime(PaddedBackbone(model, pad), model), reason
    _log.warning("only sequences of equal length run together: padding changes this model's results")
    exact = by_rope_regime(PaddedBackbone(model, pad, waste=0.0), model)
    return exact, f"{reason}; padding changes its results, so that only equal lengths run together"


def _try_packed(model: Any, expected: torch.Tensor, max_tokens: int, family: Family) -> Backbone | str:
    """Return a verified packed backbone, or why there is none."""
    if not accepts(model, "position_ids"):
        return "the model takes no position ids"
    offset = padding_id(model.config) + 1 if family.positions == "after_padding" else 0
    allowed = tolerance(model.dtype)
    backbone = by_rope_regime(PackedBackbone(model, offset), model)
    try:
        difference = _difference(backbone, expected, model, max_tokens)
    except Exception as exc:
        # Any failure inside a foreign model means only that it cannot run this way; the reason is kept and logged.
        return f"it raised {type(exc).__name__}: {exc}"
    if difference <= allowed:
        return backbone
    return f"packed and alone differ by {difference:.1e} of the largest value (allowed {allowed:.0e})"
