"""The conformance kit on the processor, with a model that reads and with one that sees."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

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


class TestPdfPagesWithModelsThatSee(IOProcessorConformance):
    processor = "pdf-pages"
    bad_examples = (
        *TestPdfPages.bad_examples[:-1],
        {"documents": {"images": ["aGVsbG8="]}},
        {"documents": {"images": []}},
    )

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, seeing_folder: Path) -> Path:
        return seeing_folder

    @pytest.fixture(scope="class")
    @classmethod
    def examples(cls, pictures: list[Image.Image]) -> Sequence[Any]:
        return *cls.processor_class().examples, *({"documents": {"images": [_sent(image)]}} for image in pictures[:2])


def _sent(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
