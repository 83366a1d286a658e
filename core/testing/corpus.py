"""Real text without a download: the docstrings of Python's standard library."""

from __future__ import annotations

import ast
import random
import sysconfig
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cenote.errors import InvalidRequest

__all__ = ["docstrings"]

#: Folders that hold tests, other people's packages or programs rather than the library's own text.
_SKIPPED = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(count: int, seed: int = 0) -> list[str]:
    """Return distinct docstrings of the running Python's standard library.

    The files are walked in sorted order and the choice depends on `seed` only, so the result is the same in every
    process of one Python version.

    Args:
        count: how many texts.
        seed: which ones, and in which order.

    Returns:
        Non-empty texts, from one word to several thousand, cleaned of indentation.

    Raises:
        InvalidRequest: the library has fewer docstrings than `count`.
    """
    found = _all_docstrings()
    if count > len(found):
        text = f"{count} docstrings were asked for; the standard library has {len(found)}. Ask for fewer."
        raise InvalidRequest(text, param="count")
    return random.Random(seed).sample(found, count)


@lru_cache(maxsize=1)
def _all_docstrings() -> tuple[str, ...]:
    """Return every distinct docstring; parsing the library takes about three seconds, once per process."""
    return tuple(dict.fromkeys(text for path in _library_files() for text in _docstrings_of(path)))


def _library_files() -> Iterator[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        if not _SKIPPED.intersection(path.relative_to(root).parts):
            yield path


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's sources
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # templates and samples that are not Python
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            text = (ast.get_docstring(node) or "").strip()
            if text:
                yield text
