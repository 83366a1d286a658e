"""Fused layers that are run in pieces, with another batch in between."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int32
from typing import Any

import pytest
import torch

from cenote.adapters.fused import fuse_layers
from cenote.adapters.packing import pack
from cenote.adapters.pauses import Pauses

Make = Callable[..., Any]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_another_batch_in_every_pause_changes_neither(
    family: str, joined: bool, tiny_model: Make, packed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not joined:
        monkeypatch.setenv("CENOTE_KERNELS", "linear:cpu")
    run = packed(tiny_model(family))
    fuse_layers(run.model, run, backbone=run.backbone)
    assert run.backbone.direct is not None
    long, short = pack([[5, 6, 7, 8, 9] * 30, [9, 8]]), pack([[11, 12, 13]])
    with torch.inference_mode():
        expected, light = run.backbone(long), run.backbone(short)
        found: list[torch.Tensor] = []
        pauses = Pauses(c_int32(1), lambda: found.append(run.backbone(short)), clock=lambda: 0.0)
        with pauses.allowed():
            again = run.backbone(long)
    assert len(found) == 2
    assert all(torch.equal(each, light) for each in found)
    assert torch.allclose(again, expected, rtol=1e-5, atol=1e-6)
