"""What Acme makes of vectors does what everything of its kind must; no model of Acme's is needed."""

from __future__ import annotations

from cenote.testing.codecs import OutputCodecConformance
from cenote.testing.processors import IOProcessorConformance
from cenote.testing.scorers import ScorerConformance


class TestNearest(IOProcessorConformance):
    processor = "acme-nearest"
    bad_examples = ({"query": "", "texts": ["a"]}, {"query": "water", "texts": ["a"] * 9})


class TestTernary(OutputCodecConformance):
    codec = "acme-ternary"


class TestNearness(ScorerConformance):
    scorer = "acme-nearness"
