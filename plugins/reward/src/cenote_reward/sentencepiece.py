"""Reading a SentencePiece model file, without the library.

Source: `sentencepiece_model.proto` of google/sentencepiece 0.2 for the fields, and the encoding of Protocol Buffers
(protobuf.dev/programming-guides/encoding) for the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cenote.errors import CheckpointError

__all__ = ["CONTROL", "NORMAL", "USER_DEFINED", "Piece", "SentencePieceModel", "read_sentencepiece"]

#: Kinds of pieces that matter here; the others are the unknown piece (2), unused ones (5) and bytes (6).
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
_BPE = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its place is its id."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SentencePieceModel:
    """A BPE model whose normalisation changes nothing but spaces.

    Attributes:
        pieces: the vocabulary.
        unknown: text of the piece for what is unknown.
        byte_fallback: unknown characters become pieces for their bytes.
        dummy_prefix: a space is put in front of every text.
    """

    pieces: tuple[Piece, ...]
    unknown: str
    byte_fallback: bool
    dummy_prefix: bool


def read_sentencepiece(file: Path) -> SentencePieceModel:
    """Read a `tokenizer.model`.

    Raises:
        CheckpointError: the file is broken, is not BPE, or normalises texts.
    """
    try:
        fields = list(_fields(file.read_bytes()))
        pieces = tuple(_piece(value) for number, value in fields if number == 1)
        trainer, normalizer = (dict(_fields(_last(fields, number))) for number in (2, 3))
    except (OSError, ValueError, IndexError, TypeError, AttributeError, struct.error) as exc:
        raise CheckpointError(f"{file} is not a SentencePiece model: {exc}. Download it again.") from exc
    refused = {
        "is not of the kind BPE": trainer.get(3, 1) != _BPE,
        "writes spaces behind words": bool(trainer.get(24, 0)),
        "normalises texts": bool(normalizer.get(2)),
        "removes further spaces": bool(normalizer.get(4, 1)),
        "keeps spaces as they are": not normalizer.get(5, 1),
    }
    for what, found in refused.items():
        if found:
            raise CheckpointError(f"{file} {what}, which cannot be converted. Save the model with a tokenizer.json.")
    return SentencePieceModel(
        pieces=pieces,
        unknown=trainer.get(45, b"<unk>").decode(),
        byte_fallback=bool(trainer.get(35, 0)),
        dummy_prefix=bool(normalizer.get(3, 1)),
    )


def _last(fields: list[tuple[int, Any]], number: int) -> bytes:
    found: bytes = next((value for key, value in reversed(fields) if key == number), b"")
    return found


def _piece(data: bytes) -> Piece:
    values = dict(_fields(data))
    return Piece(values[1].decode(), float(values.get(2, 0.0)), values.get(3, NORMAL))


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of every field of a message: int, float, or bytes.

    Raises:
        ValueError: the message ends within a field, or a field has an encoding that is not in use here.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, encoding = tag >> 3, tag & 7
        if encoding == 0:
            value, at = _varint(data, at)
            yield number, value
        elif encoding == 5:
            yield number, struct.unpack_from("<f", data, at)[0]
            at += 4
        elif encoding == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("it ends within a field")
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError(f"field {number} has the unknown encoding {encoding}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
