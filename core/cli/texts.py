"""Where `cenote embed` gets its model and texts from."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cenote.errors import InvalidRequest

__all__ = ["read_texts", "split_model"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def split_model(words: Sequence[str], model: str | None) -> tuple[str | None, list[str]]:
    """Tell the model from the texts: the first word is the model if it looks like one and none was named.

    Args:
        words: positional arguments.
        model: what `--model` named, if anything.
    """
    if model is None and words and _is_model(words[0]):
        return words[0], list(words[1:])
    return model, list(words)


def read_texts(texts: Sequence[str], file: Path | None) -> list[str]:
    """Return the texts given as arguments, else the lines of the file, else those of standard input.

    Line i of a file is text i: empty lines count.

    Raises:
        InvalidRequest: there are texts and a file, no text at all, or the file is unreadable or not UTF-8.
    """
    if texts and file is not None:
        raise InvalidRequest("Give texts as arguments or by --file, not both.", param="file")
    if texts:
        return list(texts)
    if file is not None and str(file) != "-":
        lines = _decode(_read(file), str(file))
    elif file is not None or not sys.stdin.isatty():
        lines = _decode(sys.stdin.buffer.read(), "standard input")
    else:
        lines = []
    if not lines:
        raise InvalidRequest("There is no text. Give some as arguments, by --file, or on standard input.", param="text")
    return lines


def _is_model(word: str) -> bool:
    if any(character.isspace() for character in word):
        return False
    if word.startswith(("/", "./", "../", "~")) or _HUB_ID.fullmatch(word):
        return True
    return (Path(word) / "config.json").is_file() or (Path(word) / "modules.json").is_file()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"Cannot read {str(file)!r}: {exc.strerror}.", param="file") from exc


def _decode(data: bytes, source: str) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidRequest(f"{source} is not UTF-8 (byte {exc.start}).", param="file") from exc
    # Not str.splitlines(), which also splits at form feeds and other characters that texts contain.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
