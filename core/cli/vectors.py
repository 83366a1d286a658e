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
    from cenote.outputs import EmbeddingRequestOutput

__all__ = ["Format", "write_vectors"]


class Format(StrEnum):
    """Forms of the result."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    npy = "npy"


def write_vectors(
    results: Sequence[EmbeddingRequestOutput], texts: Sequence[str], form: Format | None, path: Path | None
) -> None:
    """Write one row per text, in order: to the file, or to standard output.

    Args:
        results: one per text.
        texts: the texts themselves.
        form: the form; None takes it from the end of the file's name, or is a table.
        path: file to write; None is standard output.

    Raises:
        InvalidRequest: the form is unclear or does not fit where it goes, or the file cannot be written.
    """
    form = form or _form_of(path)
    if path is None and form is Format.table:
        rows = (_cells(text, result) for text, result in zip(texts, results, strict=True))
        print_table(["text", "tokens", "size", "norm", "first components"], ["text"], rows)
        return
    if path is None and form is Format.npy and sys.stdout.isatty():
        raise InvalidRequest("npy is binary: redirect it, or name a file with --save.", param="format")
    content = _encode(results, texts, form)
    if path is None:
        sys.stdout.buffer.write(content)
        return
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {str(path)!r}: {exc.strerror}.", param="save") from exc


def _form_of(path: Path | None) -> Format:
    if path is None:
        return Format.table
    try:
        return Format(path.suffix.removeprefix("."))
    except ValueError as exc:
        text = f"The name {path.name!r} does not say the form. Use .json, .jsonl or .npy, or --format."
        raise InvalidRequest(text, param="save") from exc


def _encode(results: Sequence[EmbeddingRequestOutput], texts: Sequence[str], form: Format) -> bytes:
    if form is Format.npy:
        return _npy([result.outputs.embedding for result in results])
    if form is Format.table:
        raise InvalidRequest("A table is for the terminal; save json, jsonl or npy.", param="format")
    records = [_record(index, text, result) for index, (text, result) in enumerate(zip(texts, results, strict=True))]
    if form is Format.jsonl:
        return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
    return f"{json.dumps(records, ensure_ascii=False)}\n".encode()


def _record(index: int, text: str, result: EmbeddingRequestOutput) -> dict[str, Any]:
    return {
        "index": index,
        "text": text,
        "tokens": len(result.prompt_token_ids),
        "embedding": result.outputs.embedding,
    }


def _npy(rows: list[list[float]]) -> bytes:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.asarray(rows, dtype=np.float32))
    return buffer.getvalue()


def _cells(text: str, result: EmbeddingRequestOutput) -> tuple[str, ...]:
    vector = result.outputs.embedding
    norm = math.sqrt(math.fsum(value * value for value in vector))
    first = " ".join(f"{value:+.4f}" for value in vector[:4])
    return text, str(len(result.prompt_token_ids)), str(len(vector)), f"{norm:.4f}", f"{first} …"
