"""The conformance kit on the output codecs of the core."""

from __future__ import annotations

from cenote.registry import default_registry
from cenote.testing.codecs import OutputCodecConformance


class TestFloat16(OutputCodecConformance):
    codec = "float16"


class TestInt8(OutputCodecConformance):
    codec = "int8"


class TestUint8(OutputCodecConformance):
    codec = "uint8"


class TestBinary(OutputCodecConformance):
    codec = "binary"


class TestUbinary(OutputCodecConformance):
    codec = "ubinary"


def test_every_codec_of_the_core_is_tested_here() -> None:
    offers = default_registry().entries("cenote.output_codecs")
    own = {name for name, entries in offers.items() if entries[0].distribution == "cenote"}
    assert own == {cls.codec for cls in OutputCodecConformance.__subclasses__()}
