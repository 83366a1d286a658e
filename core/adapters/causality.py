"""Find out whether a loaded model looks ahead: names and configs of checkpoints do not tell reliably."""

from __future__ import annotations

from typing import Any, Literal

import torch

from cenote.adapters.backbone import Backbone
from cenote.adapters.packing import pack
from cenote.adapters.probes import relative_difference, vocabulary

__all__ = ["measure_causality"]

_TOKENS = 16
#: Differences up to this, relative to the largest hidden value, are rounding: a changed token may change the shapes
#: that other tokens are computed in (mixtures of experts).
_ROUNDING = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def measure_causality(
    backbone: Backbone, model: Any, max_tokens: int, *, device: str = "cpu"
) -> Literal["causal", "bidirectional"]:
    """Change the later half of a sequence, and see whether the hidden states of the first half change.

    Args:
        backbone: runs the model, packed or padded, as `load_stack` gives it.
        model: the transformers base model, for its embedding table and dtype.
        max_tokens: longest prompt. Of a model for single tokens nothing can be told; it counts as causal.
        device: where the backbone computes.
    """
    size = min(_TOKENS, max_tokens)
    kept = size // 2
    rows = vocabulary(model)
    generator = torch.Generator().manual_seed(21)
    # Ids from the middle of the vocabulary: special tokens, with which some models build masks, stand at its ends.
    first, second = torch.randint(rows // 4, max(rows // 4 + 1, 3 * rows // 4), (2, size), generator=generator).tolist()
    second[:kept] = first[:kept]
    with torch.inference_mode():
        before, after = (backbone(pack([tuple(ids)], device=device))[:kept].float() for ids in (first, second))
    if kept == 0:
        return "causal"
    change = relative_difference(after, before)
    return "causal" if change <= _ROUNDING.get(model.dtype, 1e-5) else "bidirectional"
