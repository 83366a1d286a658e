"""Output codecs of third parties: what they may return, and that none of them can do harm."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

from cenote.errors import CodecError, InvalidRequest, PluginError
from cenote.outputs import OutputCodec, check_output_dtype, quantize
from cenote.outputs.codecs import check_codec, codec_names, is_foreign
from cenote.registry import default_registry


class Int4:
    """`round(7 x)` in [-7, 7] plus 8, two components to a byte, the first one in its higher half."""

    def encode(self, rows: Any, param: str) -> Any:
        if rows.shape[1] % 2:
            raise InvalidRequest(f"int4 packs two components into a byte; here are {rows.shape[1]}.", param=param)
        numbers = (np.rint(rows.clip(-1, 1) * 7) + 8).astype(np.uint8)
        return numbers[:, ::2] << 4 | numbers[:, 1::2]


class As:
    """Gives the rows in another type, or whatever a function makes of them."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def encode(self, rows: Any, param: str) -> Any:
        return self.what(rows) if callable(self.what) else rows.astype(self.what)


def test_a_codec_of_a_third_party_works_like_the_built_in_ones(offer: Any) -> None:
    offer("int4", Int4())
    assert check_output_dtype("int4") == "int4"
    rows = torch.tensor([[1.0, -1.0, 0.0, 0.5], [-0.2, 0.2, 1.0, 1.0]])
    expected = [[15 << 4 | 1, 8 << 4 | 12], [7 << 4 | 9, 15 << 4 | 15]]
    assert quantize(rows, "int4").tolist() == expected
    assert quantize(rows[0], "int4").tolist() == expected[0]
    assert quantize(rows.reshape(2, 1, 4), "int4").shape == (2, 1, 2)
    with pytest.raises(InvalidRequest, match="here are 3") as caught:
        quantize(torch.zeros(2, 3), "int4", "embedding_types")
    assert caught.value.param == "embedding_types"


def test_the_names_are_those_of_what_is_installed(offer: Any) -> None:
    built_in = ("float32", "binary", "float16", "int8", "ubinary", "uint8")
    assert codec_names() == built_in
    offer("int4", Int4())
    assert codec_names() == ("float32", "binary", "float16", "int4", "int8", "ubinary", "uint8")
    assert [name for name in codec_names() if is_foreign(name)] == ["int4"]
    with pytest.raises(InvalidRequest, match="'int5'; it must be one of float32, binary, float16, int4, int8"):
        quantize(torch.zeros(8), "int5")


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", ">u2", "i4", ">i4", "u4", "i8", "u8", "f2", "f4", ">f4", "f8"])
def test_numbers_of_any_usual_type_come_through(offer: Any, kind: str) -> None:
    offer("other", As(kind))
    rows = torch.arange(6.0).reshape(2, 3)
    found = quantize(rows, "other")
    assert found.numpy().dtype == np.dtype(kind).newbyteorder("=")
    assert found.tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (lambda rows: 1 / 0, r"failed \(ZeroDivisionError\)"),
        (lambda rows: sys.exit(1), r"failed \(SystemExit\)"),
        (lambda rows: rows.__setitem__(0, 0.0), r"failed \(ValueError\)"),  # the rows belong to the host
        (lambda rows: None, "returned NoneType, not a numpy array"),
        (lambda rows: rows.tolist(), "returned list, not a numpy array"),
        (lambda rows: rows[0], r"returned shape \(4,\) for 2 embeddings, not \[2, k\]"),
        (lambda rows: rows[:1], r"returned shape \(1, 4\) for 2 embeddings"),
        (lambda rows: rows[:, :0], r"returned shape \(2, 0\) for 2 embeddings"),
        (lambda rows: rows * np.nan, "returned NaN or infinity"),
        (lambda rows: rows.astype(object), "returned object numbers, not integers or floats of at most 8 bytes"),
        (lambda rows: rows.astype(np.longdouble), "returned longdouble|float128 numbers"),
        (lambda rows: rows > 0, "returned bool numbers"),
        (lambda rows: rows + 1j, "returned complex64 numbers"),
    ],
)
def test_a_codec_that_misbehaves_is_named_and_costs_nothing_else(offer: Any, what: Any, fault: str) -> None:
    offer("wrong", As(what))
    rows = torch.tensor([[0.5] * 4, [-0.5] * 4])
    with pytest.raises(CodecError, match=f"The output codec 'wrong' of cenote-acme 1.2 .*{fault}") as caught:
        quantize(rows, "wrong")
    assert isinstance(caught.value, PluginError)
    assert (caught.value.plugin, caught.value.distribution) == ("wrong", "cenote-acme")
    assert quantize(rows, "int8").tolist() == [[64] * 4, [-64] * 4]


def test_what_a_codec_returns_is_the_hosts_own(offer: Any) -> None:
    offer("same", As(lambda rows: rows))
    rows = torch.zeros(2, 4)
    quantize(rows, "same").add_(1)
    assert rows.tolist() == [[0.0] * 4] * 2


def test_a_codec_that_does_not_load_is_named_without_its_cause(offer: Any, caplog: pytest.LogCaptureFixture) -> None:
    offer("absent", "a_module_that_is_not_there:CODEC")
    with pytest.raises(
        CodecError, match=r"'absent' of cenote-acme 1.2 does not load. The log of this process"
    ) as caught:
        quantize(torch.zeros(1, 8), "absent")
    assert "a_module_that_is_not_there" not in str(caught.value)
    assert "a_module_that_is_not_there" in caplog.text


def test_two_codecs_of_one_name_are_a_conflict(offer: Any) -> None:
    offer("int4", Int4())
    remove = default_registry().register("cenote.output_codecs", "int4", Int4(), distribution="cenote-other")
    try:
        with pytest.raises(CodecError, match=r"cenote-acme 1\.2 and cenote-other"):
            quantize(torch.zeros(1, 8), "int4")
    finally:
        remove()


def test_only_objects_that_encode_are_codecs() -> None:
    check_codec(Int4())
    codec: OutputCodec = Int4()
    assert codec
    with pytest.raises(TypeError, match=r"Int4 is a class; an output codec is an object: Int4\(\)"):
        check_codec(Int4)
    with pytest.raises(TypeError, match=r"has a method encode\(rows, param\); dict has none"):
        check_codec({})
