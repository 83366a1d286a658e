"""The conformance kit on the processor."""

from __future__ import annotations

from cenote.testing.processors import IOProcessorConformance


class TestPdfPages(IOProcessorConformance):
    processor = "pdf-pages"
    bad_examples = (
        {"documents": []},
        {"documents": {"pdf": "aGVsbG8="}},
        {"documents": {"pdf": "aGVsbG8=", "url": "https://example.org/a.pdf"}},
        {"documents": {"url": "https://example.org/a.pdf"}},
        {"documents": {"images": ["aGVsbG8="]}},
    )
