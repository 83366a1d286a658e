"""Vectors in answers: numbers, base64, precisions."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from cenote.errors import InvalidRequest
from cenote.io_processors import Encoding
from cenote_pdf_pages.vectors import check_encoding, written

ROWS = torch.nn.functional.normalize(torch.arange(-8.0, 8.0).reshape(2, 8), dim=1)


def test_numbers_are_lists() -> None:
    assert written(ROWS[0], Encoding()) == (ROWS[0].tolist(), [8])
    assert written(ROWS, Encoding()) == (ROWS.tolist(), [2, 8])


@pytest.mark.parametrize(
    ("embed_dtype", "endianness", "numpy_type"),
    [("float32", "native", "=f4"), ("float32", "big", ">f4"), ("float16", "little", "<f2"), ("float16", "big", ">f2")],
)
def test_base64_holds_the_rows_one_after_the_other(embed_dtype: str, endianness: str, numpy_type: str) -> None:
    text, shape = written(ROWS, Encoding(encoding_format="base64", embed_dtype=embed_dtype, endianness=endianness))
    rows = np.frombuffer(base64.b64decode(text), numpy_type).reshape(shape)
    np.testing.assert_allclose(rows, ROWS.numpy(), atol=1e-3)


@pytest.mark.parametrize("embed_dtype", ["bfloat16", "fp8_e4m3", "fp8_e5m2"])
def test_types_that_numpy_does_not_know_are_written_too(embed_dtype: str) -> None:
    text, _ = written(ROWS, Encoding(encoding_format="base64", embed_dtype=embed_dtype))
    assert len(base64.b64decode(text)) == ROWS.numel() * (2 if embed_dtype == "bfloat16" else 1)


def test_precisions_are_those_of_the_core() -> None:
    bits, shape = written(ROWS, Encoding(output_dtype="ubinary"))
    assert (bits, shape) == ([[0], [255]], [2, 1])
    text, _ = written(ROWS, Encoding(output_dtype="int8", encoding_format="base64", endianness="big"))
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(text), "i1").reshape(2, 8), (ROWS * 127).round())
    with pytest.raises(InvalidRequest):
        written(ROWS, Encoding(output_dtype="no such precision"))


def test_raw_bytes_are_no_json() -> None:
    check_encoding(Encoding(encoding_format="base64"))
    with pytest.raises(ValueError, match="encoding_format='bytes' is no JSON"):
        check_encoding(Encoding(encoding_format="bytes"))
