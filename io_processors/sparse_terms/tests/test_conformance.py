"""The conformance kit on the processor, with the look-alike of a SPLADE model."""

from __future__ import annotations

from cenote.testing.processors import IOProcessorConformance


class TestSparseTerms(IOProcessorConformance):
    processor = "sparse-terms"
    settings = {"max_texts": 3}  # noqa: RUF012
    bad_examples = (
        {"texts": []},
        {"texts": [1]},
        {"texts": "x", "format": "elasticsearch"},
        {"texts": "x", "top_k": 0},
        {"texts": "x", "top_k": True},
        {"texts": "x", "top_k": "3"},
        {"texts": "x", "min_weight": "1"},
        {"texts": "x", "format": "pinecone", "top_k": 2049},
        {"texts": "x", "min_weight": -1},
        {"texts": ["a", "b", "c", "d"]},
        {"texts": [""] * 2, "more": 1},
    )


class TestSparseTermsOnByteLevelTokens(TestSparseTerms):
    family = "splade_roberta"
