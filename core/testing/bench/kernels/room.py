"""How many tokens kernels can be compared on: as many as memory has room for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from cenote.errors import InvalidRequest

__all__ = ["check_tokens"]

#: KiB that a token takes at most: inputs, results, and what the reference makes on its way. The peak of memory was
#: measured at 4096 tokens, in float32 and bfloat16, and rounded up.
_KIB = {
    "varlen_attention": 128,
    "linear": 256,
    "residual_norm": 96,
    "bias_act": 192,
    "rotary": 128,
    "segment_pool": 16,
    "l2_normalize": 8,
    "maxsim": 4,
    "term_max": 1,
}


def check_tokens(tokens: int, operators: Sequence[str], device: str) -> None:
    """Refuse a number of tokens before anything is drawn for it.

    Args:
        tokens: rows of the inputs.
        operators: some of `cenote.kernels.OPERATORS`, at least one.
        device: torch device string.

    Raises:
        InvalidRequest: there are none, or the free memory is too small for them.
    """
    if tokens < 1:
        raise InvalidRequest(f"{tokens} tokens were asked for. Ask for at least 1.", param="tokens")
    widest = max(operators, key=_KIB.__getitem__)
    free, needed = _free_bytes(device), tokens * _KIB[widest] << 10
    if needed > free:
        gib, most = f"{needed / (1 << 30):,.1f} GiB", free // (_KIB[widest] << 10)
        raise InvalidRequest(
            f"{tokens} tokens were asked for; {widest} takes about {gib} for them, and {free / (1 << 30):,.1f} GiB are "
            f"free. Ask for at most {most}.",
            param="tokens",
        )


def _free_bytes(device: str) -> int:
    """Return what is free in the machine's memory, or in the device's own where that is less: inputs are drawn here."""
    file = Path("/proc/meminfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    free = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
    free = free or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(free, torch.cuda.mem_get_info(device)[0]) if torch.device(device).type == "cuda" else free
