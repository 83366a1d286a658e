"""The docstring corpus is real text, the same every time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cenote.errors import InvalidRequest
from cenote.testing.corpus import docstrings


def test_docstrings_are_distinct_texts_of_many_lengths() -> None:
    texts = docstrings(200)
    assert len(set(texts)) == 200
    assert all(text == text.strip() and text for text in texts)
    assert min(map(len, texts)) < 30
    assert max(map(len, texts)) > 800


def test_another_process_gets_the_same_texts() -> None:
    code = "from cenote.testing.corpus import docstrings; print(ascii(docstrings(20, seed=5)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == ascii(docstrings(20, seed=5))


def test_the_seed_decides_which_texts() -> None:
    assert docstrings(50, seed=1) != docstrings(50, seed=2)


def test_asking_for_too_many_is_an_error() -> None:
    with pytest.raises(InvalidRequest, match="the standard library has"):
        docstrings(10**7)
