"""How `cenote embed` shows or stores vectors."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.cli.show import print_table
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["Format", "choose_form", "named_input", "write_content", "write_records", "write_vectors"]


class Format(StrEnum):
    """Forms of the result."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    npy = "npy"


def write_vectors(
    results: Sequence[PoolingRequestOutput], texts: Sequence[str | Path], form: Format | None, path: Path | None
) -> None:
    """Write one row per text or image, in order: to the file, or to standard output.

    Args:
        results: one for each, in any precision.
        texts: the texts themselves, and the files of images.
        form: the form; None takes it from the end of the file's name, or is a table.
        path: file to write; None is standard output.

    Raises:
        InvalidRequest: the form is unclear or does not fit where it goes, or the file cannot be written.
    """
    pairs = list(zip(texts, results, strict=True))
    form = choose_form(form, path)
    if form is Format.table:
        columns = ["text", "tokens", "size", "norm", "first components"]
        print_table(columns, ["text"], (_cells(str(text), result) for text, result in pairs))
    elif form is Format.npy:
        write_content(_npy(results), path)
    else:
        write_records([_record(index, text, result) for index, (text, result) in enumerate(pairs)], form, path)


def write_records(records: Sequence[Any], form: Format, path: Path | None) -> None:
    """Write records as JSON or as lines of it, to the file or to standard output.

    Raises:
        InvalidRequest: the form is another one, or the file cannot be written.
    """
    if form is Format.jsonl:
        text = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    elif form is Format.json:
        text = f"{json.dumps(records, ensure_ascii=False)}\n"
    else:
        raise InvalidRequest(f"Records are written as json or jsonl, not as {form.value}.", param="format")
    write_content(text.encode(), path)


def write_content(content: bytes, path: Path | None) -> None:
    """Write bytes to the file or to standard output.

    Raises:
        InvalidRequest: the file cannot be written.
    """
    if path is None:
        sys.stdout.buffer.write(content)
        return
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {str(path)!r}: {exc.strerror}.", param="save") from exc


def choose_form(form: Format | None, path: Path | None, *, is_matrix: bool = True) -> Format:
    """Return the form of the result; it needs no result, so that nothing is computed that cannot be written.

    Args:
        form: as asked for; None takes it from the end of the file's name, or is a table where there is no file.
        path: file to write; None is standard output.
        is_matrix: a result is one dense vector per text.

    Raises:
        InvalidRequest: the form is unclear or does not fit the result or where it goes, or the file has no folder.
    """
    form = form or _form_of(path)
    if form is Format.npy and not is_matrix:
        raise InvalidRequest("npy holds dense vectors only; use json or jsonl.", param="format")
    if form is Format.npy and path is None and sys.stdout.isatty():
        raise InvalidRequest("npy is binary: redirect it, or name a file with --save.", param="format")
    if form is Format.table and path is not None:
        raise InvalidRequest("A table is for the terminal; save json, jsonl or npy.", param="format")
    if path is not None and not path.parent.is_dir():
        raise InvalidRequest(f"Cannot write {str(path)!r}: No such file or directory.", param="save")
    return form


def _form_of(path: Path | None) -> Format:
    """Return the form that a file's name tells; a table where there is no file.

    Raises:
        InvalidRequest: the name tells none.
    """
    if path is None:
        return Format.table
    try:
        return Format(path.suffix.removeprefix("."))
    except ValueError as exc:
        text = f"The name {path.name!r} does not say the form. Use .json, .jsonl or .npy, or --format."
        raise InvalidRequest(text, param="save") from exc


def named_input(text: str | Path) -> dict[str, str]:
    """Return the field of a record that says what was embedded: the text, or the file of an image."""
    return {"text": text} if isinstance(text, str) else {"image": str(text)}


def _record(index: int, text: str | Path, result: PoolingRequestOutput) -> dict[str, Any]:
    return {
        "index": index,
        **named_input(text),
        "tokens": len(result.prompt_token_ids),
        "embedding": result.outputs.data.tolist(),
    }


def _npy(results: Sequence[PoolingRequestOutput]) -> bytes:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.stack([result.outputs.data.numpy() for result in results]))
    return buffer.getvalue()


def _cells(text: str, result: PoolingRequestOutput) -> tuple[str, ...]:
    vector = result.outputs.data.tolist()
    if result.outputs.data.is_floating_point():
        norm = f"{math.sqrt(math.fsum(value * value for value in vector)):.4f}"
        first = " ".join(f"{value:+.4f}" for value in vector[:4])
    else:  # the length of integers and packed bits says nothing
        norm, first = "", " ".join(map(str, vector[:4]))
    return text, str(len(result.prompt_token_ids)), str(len(vector)), norm, f"{first} …"
