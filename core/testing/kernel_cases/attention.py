"""Cases of `varlen_attention`."""

from __future__ import annotations

from typing import Any

import torch

from cenote.testing.kernel_cases.case import LENGTHS, Inputs, KernelCase

__all__ = ["ATTENTION", "UNSEEN_KEYS", "attention_case"]

#: The largest number of 32 bits. A sum with a window of so many is larger.
_INT32 = (1 << 31) - 1


def attention_case(
    name: str,
    lengths: tuple[int, ...],
    heads: tuple[int, int, int] = (4, 4, 16),
    value_size: int | None = None,
    sinks: bool = False,
    **options: Any,
) -> KernelCase:
    """Return a case with (heads, key heads, head size); values may be of another size."""
    count, key_count, size = heads

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        shapes = {"query": (count, size), "key": (key_count, size), "value": (key_count, value_size or size)}
        total = sum(lengths)
        tensors = {key: torch.randn(total, *shape, generator=generator) for key, shape in shapes.items()}
        if sinks:
            tensors["sinks"] = torch.randn(count, generator=generator)
        return {key: tensor.to(dtype) for key, tensor in tensors.items()}

    options = {"lengths": lengths, "key_lengths": lengths, "scale": size**-0.5} | options
    return KernelCase(name, build, options)


ATTENTION = (
    *(attention_case(name, lengths) for name, lengths in LENGTHS.items()),
    *(attention_case(f"{name}-causal", lengths, causal=True) for name, lengths in LENGTHS.items()),
    attention_case("window_7", (63, 60, 8, 7, 6, 1), window=7),
    attention_case("window_7-causal", (63, 60, 8, 7, 6, 1), window=7, causal=True),
    attention_case("window_1", (9, 1), window=1),
    attention_case("window_of_more_than_all", (33, 9), window=64),
    *(attention_case(f"window_of_{window}", (33, 7), window=window) for window in (_INT32, _INT32 + 1, 1 << 40)),
    attention_case("window_of_as_many_as_int32_holds-causal", (33, 7), window=_INT32, causal=True),
    attention_case("heads_of_20", (33, 7, 1), heads=(3, 3, 20)),
    attention_case("heads_of_20-causal-window_9", (33, 7), heads=(4, 2, 20), causal=True, window=9),
    attention_case("heads_of_128", (17, 40), heads=(2, 1, 128)),
    attention_case("heads_of_5", (9, 2), heads=(2, 2, 5)),
    attention_case("longer_than_a_tile", (150, 2), heads=(2, 2, 32)),
    attention_case("longer_than_a_tile-causal-window_70", (150, 2), heads=(2, 1, 32), causal=True, window=70),
    attention_case("grouped_heads", (33, 33, 5), heads=(6, 2, 8)),
    attention_case("one_key_head-causal", (33, 5), heads=(4, 1, 24), causal=True),
    attention_case("softcap", (21, 4), softcap=1.5),
    attention_case("softcap-window_5", (21, 4), softcap=1.5, window=5),
    attention_case("narrow_values", (21, 4), value_size=6),
    attention_case("wide_values-causal", (21, 4, 4), heads=(4, 2, 8), value_size=24, causal=True),
    attention_case("sinks", (21, 4, 4), sinks=True),
    attention_case("sinks-causal-window_5", (21, 4), heads=(6, 2, 8), sinks=True, causal=True, window=5),
    attention_case("sinks-softcap", (9, 1), sinks=True, softcap=1.5),
    attention_case("keys_end_early", (12, 12, 9), key_lengths=(12, 5, 1)),
    attention_case("keys_end_early-causal", (12, 12, 9), key_lengths=(12, 5, 1), causal=True),
    attention_case("keys_end_early-window_3", (12, 9), key_lengths=(5, 1), window=3),
    attention_case("keys_end_early-window_3-causal", (12, 9, 9), key_lengths=(5, 1, 9), window=3, causal=True),
    attention_case("keys_end_early-grouped_heads", (12, 12, 9), heads=(6, 2, 8), key_lengths=(12, 5, 1)),
    attention_case("keys_end_early-grouped_heads-causal", (12, 12), heads=(4, 1, 24), key_lengths=(7, 7), causal=True),
    attention_case("keys_end_early-softcap-causal", (12, 9), key_lengths=(5, 1), softcap=1.5, causal=True),
    attention_case("keys_end_early-sinks", (12, 12, 9), key_lengths=(12, 5, 1), sinks=True),
    attention_case(
        "keys_end_early-sinks-causal-window_3", (12, 9), key_lengths=(5, 1), sinks=True, causal=True, window=3
    ),
    attention_case("no_keys", (7, 4, 1), key_lengths=(0, 4, 0)),
    attention_case("no_keys-causal", (7, 4, 1), key_lengths=(0, 4, 0), causal=True),
    attention_case("no_keys-sinks", (7, 4), key_lengths=(0, 4), sinks=True),
)

#: Cases of one sequence, with rows below the number that see no key from row 60 on.
UNSEEN_KEYS = (
    (attention_case("causal", (150,), heads=(4, 2, 32), causal=True), 60),
    (attention_case("causal-window_9", (150,), heads=(4, 2, 32), causal=True, window=9), 60),
    (attention_case("causal-softcap-sinks", (150,), softcap=1.5, sinks=True, causal=True), 60),
    (attention_case("window_9", (150,), heads=(4, 2, 32), window=9), 52),
)
