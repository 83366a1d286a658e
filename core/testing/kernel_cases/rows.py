"""Cases of operators that work row by row, or on runs of rows."""

from __future__ import annotations

from typing import Any

import torch

from cenote.testing.kernel_cases.case import LENGTHS, Inputs, KernelCase

__all__ = ["ACTIVATED", "NORMS", "RESIDUALS", "ROTATED", "SEGMENTS"]


def _rows(name: str, shape: tuple[int, ...], **options: Any) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        return {"rows": torch.randn(*shape, generator=generator).to(dtype)}

    return KernelCase(name, build, options)


SEGMENTS = (
    *(
        _rows(f"{name}-{reduce}", (sum(lengths), 24), lengths=lengths, reduce=reduce)
        for name, lengths in LENGTHS.items()
        for reduce in ("sum", "mean", "max")
    ),
    *(
        _rows(f"{reduce}-normalised", (40, 70), lengths=(33, 0, 1, 6), reduce=reduce, normalize=True)
        for reduce in ("sum", "mean", "max")
    ),
    _rows("nobody", (0, 24), lengths=(), reduce="mean"),
    _rows("all_empty", (0, 24), lengths=(0, 0), reduce="max", normalize=True),
)
NORMS = (
    _rows("7x63", (7, 63)),
    _rows("1x1", (1, 1)),
    _rows("0x60", (0, 60)),
    _rows("33x384", (33, 384)),
    _rows("2x3x20", (2, 3, 20)),
    _rows("2x5000", (2, 5000)),
    _rows("one_vector", (33,)),
)


def _residual(
    name: str,
    shape: tuple[int, int],
    *,
    alone: bool = False,
    weighted: bool = True,
    biased: bool = True,
    **options: Any,
) -> KernelCase:
    """Return a case whose residual is float32, as the stream of a model is, whatever the dtype of what is added."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        tensors: Inputs = {"rows": torch.randn(*shape, generator=generator).to(dtype)}
        if not alone:
            tensors["residual"] = torch.randn(*shape, generator=generator)
        for key, there in (("weight", weighted), ("bias", biased)):
            if there:
                tensors[key] = torch.randn(shape[1], generator=generator).to(dtype)
        return tensors

    missing = (("residual", not alone), ("weight", weighted), ("bias", biased))
    given = {key: None for key, there in missing if not there}
    return KernelCase(name, build, {"eps": 1e-6, "dtype": torch.float32, **given, **options})


RESIDUALS = (
    _residual("layer_norm", (7, 33), kind="layer", stream="norm"),
    _residual("layer_sum", (7, 64), kind="layer", stream="sum"),
    _residual("layer_norm-to_bfloat16", (33, 20), kind="layer", stream="norm", dtype=torch.bfloat16, eps=1e-12),
    _residual("layer_norm-without_bias", (5, 384), biased=False, kind="layer", stream="norm"),
    _residual("layer_sum-alone-plain", (3, 60), alone=True, weighted=False, biased=False, kind="layer", stream="sum"),
    _residual("rms_sum", (5, 40), kind="rms", stream="sum"),
    _residual("rms_sum-without_bias-to_float16", (9, 130), biased=False, kind="rms", stream="sum", dtype=torch.float16),
    _residual("rms_norm", (3, 2100), biased=False, kind="rms", stream="norm"),
    _residual("rms_alone", (1, 384), alone=True, kind="rms", stream="sum"),
    _residual("no_rows", (0, 32), kind="rms", stream="norm"),
)


def _activated(name: str, shape: tuple[int, int], *, biased: bool = True, **options: Any) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        tensors: Inputs = {"rows": torch.randn(*shape, generator=generator).to(dtype)}
        if biased:
            tensors["bias"] = torch.randn(shape[1], generator=generator).to(dtype)
        return tensors

    return KernelCase(name, build, options if biased else {"bias": None, **options})


ACTIVATED = (
    *(_activated(name, (5, 34), activation=name) for name in ("gelu", "gelu_tanh", "silu", "relu", "quick_gelu")),
    *(
        _activated(f"{name}-gated-without_bias", (3, 20), biased=False, activation=name, gated=True)
        for name in ("gelu", "gelu_tanh", "silu", "relu", "quick_gelu")
    ),
    _activated("swiglu", (9, 66), activation="silu", gated=True),
    _activated("geglu", (1, 128), activation="gelu", gated=True),
    _activated("geglu_tanh_wide", (3, 2200), biased=False, activation="gelu_tanh", gated=True),
    _activated("no_rows", (0, 64), activation="gelu"),
)


def _rotated(name: str, shape: tuple[int, int, int], width: int, *, wide: bool = False, **options: Any) -> KernelCase:
    """Return a case whose first `width` components are turned; cosines may be float32 whatever the dtype (`wide`)."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        angles = torch.rand(shape[0], width, generator=generator) * 6.3
        heads = torch.randn(*shape, generator=generator)
        kind = torch.float32 if wide else dtype
        return {"heads": heads.to(dtype), "cos": angles.cos().to(kind), "sin": angles.sin().to(kind)}

    return KernelCase(name, build, options)


ROTATED = (
    _rotated("halves", (7, 3, 16), 16),
    _rotated("halves-by_float32", (33, 1, 64), 64, wide=True),
    _rotated("a_part_of_each_head", (5, 2, 20), 12),
    _rotated("neighbours", (7, 3, 16), 16, interleaved=True),
    _rotated("neighbours_in_a_part", (5, 12, 20), 8, interleaved=True, wide=True),
    _rotated("one_token", (1, 2, 128), 128),
    _rotated("no_tokens", (0, 2, 16), 16),
)
