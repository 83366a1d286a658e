"""Where commands get their model and texts from."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
import typer.core

from cenote.errors import InvalidRequest

__all__ = ["TextCommand", "model_guess", "named_text", "read_pairs", "read_texts", "split_model", "texts_after_dashes"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_AFTER_DASHES = "cenote.cli.texts.after_dashes"


class TextCommand(typer.core.TyperCommand):
    """A command that remembers which arguments stood after `--`: those are texts, whatever they look like."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before `--` and keep the rest for `texts_after_dashes`."""
        if "--" in args:
            place = args.index("--")
            args, ctx.meta[_AFTER_DASHES] = args[:place], args[place + 1 :]
        return super().parse_args(ctx, args)


def texts_after_dashes(ctx: typer.Context) -> list[str]:
    """Return the arguments that stood after `--` in the call of a `TextCommand`."""
    return list(ctx.meta.get(_AFTER_DASHES, ()))


def split_model(words: Sequence[str], model: str | None) -> tuple[str | None, list[str]]:
    """Tell the model from the texts: the first word is the model if it looks like one and none was named.

    Args:
        words: positional arguments.
        model: what `--model` named, if anything.
    """
    if model is None and words and _is_model(words[0]):
        return words[0], list(words[1:])
    return model, list(words)


@contextlib.contextmanager
def model_guess(word: str | None) -> Iterator[None]:
    """Say in errors which argument was taken for the model, if one was: it may have been meant as a text."""
    try:
        yield
    except Exception as exc:
        if word is not None:
            exc.add_note(f"{word!r} was taken for the model; put texts after -- or use --model.")
        raise


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


def named_text(*, by_argument: bool, unit: str = "Text") -> Callable[[int], str]:
    """Return what to call the text at a place: by its number among the arguments, or its line."""
    return lambda place: f"{unit if by_argument else 'Line'} {place + 1}"


def read_pairs(texts: Sequence[str], file: Path | None) -> list[tuple[str, str]]:
    """Return the pairs given as arguments, two texts each, else one per line of the file or of standard input.

    A line is two texts with a tab between them, or JSON: `["a", "b"]` or `{"text": "a", "text_pair": "b"}`.

    Raises:
        InvalidRequest: as `read_texts`, and where something is no pair.
    """
    lines = read_texts(texts, file)
    if not texts:
        return [_pair(line, number) for number, line in enumerate(lines, 1)]
    if len(texts) % 2:
        raise InvalidRequest(f"Pairs are two texts each, but {len(texts)} texts were given.", param="text")
    return list(zip(texts[::2], texts[1::2], strict=True))


def _pair(line: str, number: int) -> tuple[str, str]:
    parts: Any = line.split("\t")
    if len(parts) == 1:
        with contextlib.suppress(json.JSONDecodeError):
            parts = json.loads(line)
    if isinstance(parts, dict):
        parts = [parts.get("text"), parts.get("text_pair")]
    if not (isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts)):
        forms = 'two texts with a tab between them, ["a", "b"] or {"text": "a", "text_pair": "b"}'
        raise InvalidRequest(f"Line {number} is no pair; it must be {forms}.", param="file")
    return parts[0], parts[1]


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
