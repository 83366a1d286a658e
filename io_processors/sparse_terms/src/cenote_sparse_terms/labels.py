"""Readable names of the terms of a vocabulary, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

__all__ = ["term_labels"]

#: How SentencePiece writes a space.
_SPACE = "\u2581"


def term_labels(tokens: Sequence[str]) -> list[str]:
    """Return a name for each token of a vocabulary.

    A name is the token's text, with a real space where byte-level BPE and SentencePiece have a sign for it. A token
    whose text another one has too, or which has none, gets its id behind it: `water#1234`. Names depend on the
    vocabulary alone, so that a term has the same name in every text.

    Args:
        tokens: texts of the ids 0, 1, ... as the vocabulary spells them.
    """
    texts = _readable(tokens)
    counts = Counter(texts)
    taken = set(texts)
    return [text if text and counts[text] == 1 else _with_id(text, index, taken) for index, text in enumerate(texts)]


def _with_id(text: str, index: int, taken: set[str]) -> str:
    """Return a name that no other token has; the sign is doubled where one looks like it already."""
    sign = "#"
    while f"{text}{sign}{index}" in taken:
        sign += "#"
    return f"{text}{sign}{index}"


def _readable(tokens: Sequence[str]) -> list[str]:
    alphabet = _byte_alphabet()
    if alphabet.keys() <= set(tokens):  # no other kind of vocabulary has a token for each of its 256 letters
        return [_decoded(token, alphabet) for token in tokens]
    return [token.replace(_SPACE, " ") for token in tokens]


def _decoded(token: str, alphabet: dict[str, int]) -> str:
    """Return the text of a token of byte-level BPE; one that ends within a character stays as it is written."""
    if not all(letter in alphabet for letter in token):
        return token  # a special token
    try:
        return bytes(alphabet[letter] for letter in token).decode()
    except UnicodeDecodeError:
        return token


def _byte_alphabet() -> dict[str, int]:
    """Return the letters of byte-level BPE and the bytes they stand for.

    Printable bytes of Latin-1 stand for themselves; the others, in order, are the code points from 256 on.

    Source: Radford et al. 2019 (GPT-2), `bytes_to_unicode` in its encoder.py.
    """
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(itself)]
    return {chr(byte): byte for byte in itself} | {chr(256 + index): byte for index, byte in enumerate(others)}
