"""Precomputed embeddings of images: read without running anything, and bounded."""

from __future__ import annotations

import base64
import io
import os
import zipfile
from typing import Any

import numpy as np
import pytest
import torch

from cenote.errors import InvalidRequest
from cenote.inputs.embeds import RawEmbeds

MOST = 100_000
ROWS = torch.arange(12, dtype=torch.bfloat16).reshape(4, 3)
GRID = torch.tensor([[1, 4, 4]])


def _saved(value: Any, **options: Any) -> str:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    "value",
    [
        _saved({"image_embeds": ROWS, "image_grid_thw": GRID}),
        {"image_embeds": _saved(ROWS), "image_grid_thw": _saved(GRID)},
        {"image_embeds": ROWS, "image_grid_thw": GRID},
        {"image_embeds": ROWS.tolist(), "image_grid_thw": GRID.tolist()},
        {"image_embeds": ROWS.float().numpy(), "image_grid_thw": GRID.numpy()},
    ],
    ids=["one file", "a file each", "tensors", "lists", "arrays"],
)
def test_arrays_come_in_every_form(value: Any) -> None:
    found = RawEmbeds(value, "image_embeds").read(MOST)
    assert {name: array.dtype for name, array in found.items()} == {
        "image_embeds": "float32",
        "image_grid_thw": "int64",
    }
    np.testing.assert_array_equal(found["image_embeds"], ROWS.float().numpy())
    np.testing.assert_array_equal(found["image_grid_thw"], GRID.numpy())


def test_one_array_alone_is_the_embeddings() -> None:
    for value in (ROWS, _saved(ROWS), ROWS.tolist()):
        assert list(RawEmbeds(value, "image_embeds").read(MOST)) == ["image_embeds"]


class _Code:
    def __reduce__(self) -> Any:
        return os.mkdir, ("should-not-be-there",)


def _compressed() -> str:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("###", "not valid base64"),
        (base64.b64encode(b"no tensor").decode(), "no tensor"),
        (_saved(_Code()), "no tensor"),
        (_saved(ROWS, _use_new_zipfile_serialization=False), "no tensor"),
        (_compressed(), "compressed"),
        (_saved(torch.zeros(100_000)), "more than the 100000 bytes"),
        (_saved(torch.zeros(1).expand(100_000, 100_000)), "numbers, more than fit"),
        (_saved(torch.zeros(10**6, 10**6, layout=torch.sparse_coo)), "must be dense"),
        (_saved(torch.tensor([1.0, float("nan")])), "NaN or infinity"),
        ([[1.0, 1e39]], "NaN or infinity"),
        ([[1], [2, 3]], "of one length"),
        ([[[1]], [2]], "of one length"),
        (["a"], "must hold numbers"),
        (["a" * 10**7, *"b" * 10**4], "must hold numbers"),
        ([True], "must hold numbers"),
        ([1 << 64], "64 bits"),
        ([], "at least one"),
        ({}, "one to 16 arrays"),
        ({str(at): [1.0] for at in range(17)}, "one to 16 arrays"),
        ({"a": [1.0] * 20_000, "b": [1.0] * 20_000}, "at most 100000 bytes"),
    ],
    ids=[
        *("no base64", "no tensor", "code", "old format", "compressed", "large", "repeated", "sparse", "nan", "inf"),
        *("ragged", "uneven", "texts", "long texts", "flags", "huge", "empty", "nothing", "many", "large together"),
    ],
)
def test_what_cannot_be_trusted_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        RawEmbeds(value, "image_embeds").read(MOST)
    assert str(refused.value).startswith("'image_embeds': ")
    assert refused.value.param == "image_embeds"
    assert not os.path.exists("should-not-be-there")
