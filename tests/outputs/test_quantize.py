"""Embeddings in fewer bytes, against sentence-transformers and formulas written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers.util import quantize_embeddings

from cenote.errors import InvalidRequest
from cenote.outputs import OutputDtype, quantize


def _units(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(5)), dim=-1)


@pytest.mark.parametrize("dtype", ["binary", "ubinary"])
def test_bits_are_those_of_sentence_transformers(dtype: OutputDtype) -> None:
    rows = _units(7, 48)
    expected = quantize_embeddings(rows.numpy(), precision=dtype)
    found = quantize(rows, dtype).numpy()
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_zero_sets_its_bit_and_the_first_component_is_the_highest_bit() -> None:
    row = torch.tensor([0.0, -1, -1, -1, -1, -1, -1, 1])
    assert quantize(row, "ubinary").tolist() == [0b1000_0001]
    assert quantize(row, "binary").tolist() == [0b1000_0001 - 128]


def test_integers_have_a_fixed_scale() -> None:
    rows = _units(5, 30)
    numbers = rows.numpy()
    assert np.array_equal(quantize(rows, "int8").numpy(), np.round(numbers * np.float32(127)).astype(np.int8))
    assert np.array_equal(quantize(rows, "uint8").numpy(), np.round((numbers + 1) * np.float32(127.5)).astype(np.uint8))
    assert quantize(torch.tensor([-1.0, 0, 1]), "int8").tolist() == [-127, 0, 127]
    assert quantize(torch.tensor([-1.0, 0, 1]), "uint8").tolist() == [0, 128, 255]


def test_rounding_beyond_one_is_forgiven() -> None:
    assert quantize(torch.tensor([1.0005, -1.0005]), "int8").tolist() == [127, -127]
    assert quantize(torch.tensor([1.0005, -1.0005]), "uint8").tolist() == [255, 0]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_components_beyond_one_are_refused(dtype: OutputDtype) -> None:
    with pytest.raises(
        InvalidRequest, match=r"one of this embedding is 2\.5\. These vectors are not normalised"
    ) as caught:
        quantize(torch.tensor([0.5, -2.5]), dtype)
    assert caught.value.param == "output_dtype"


def test_floats_keep_their_values() -> None:
    rows = _units(2, 9)
    assert quantize(rows, "float32").equal(rows)
    assert quantize(rows, "float16").equal(rows.half())


def test_what_overflows_half_floats_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="up to 65504"):
        quantize(torch.tensor([70000.0]), "float16")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "binary", "ubinary"])
@pytest.mark.parametrize("shape", [(16,), (3, 16), (0, 16)], ids=str)
def test_leading_dimensions_stay(dtype: OutputDtype, shape: tuple[int, ...]) -> None:
    width = 2 if "binary" in dtype else 16
    assert quantize(_units(*shape), dtype).shape == (*shape[:-1], width)


def test_bits_need_whole_bytes() -> None:
    with pytest.raises(InvalidRequest, match="12, which is no multiple of 8") as caught:
        quantize(_units(12), "binary", param="embedding_types")
    assert caught.value.param == "embedding_types"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(
        InvalidRequest, match=r"'int4'; it must be one of float32, binary, float16, int8, ubinary"
    ) as caught:
        quantize(_units(8), "int4")
    assert caught.value.param == "output_dtype"
