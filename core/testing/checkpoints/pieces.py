"""Train tiny vocabularies, the same in every process.

The trainers of the `tokenizers` library count words in hash maps with a seed per process. Its BPE trainer is
reproducible all the same; the WordPiece trainer is once the continuation letters have fixed ids, and the Unigram
trainer is not at all, so Unigram vocabularies take BPE's pieces, with the logarithm of their frequency as score.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from cenote.testing.texts import training_lines

__all__ = ["BYTE_PIECES", "byte_level_model", "sentencepiece_bpe_model", "unigram_model", "wordpiece_model"]

#: The 256 byte tokens that SentencePiece falls back to.
BYTE_PIECES = tuple(f"<0x{value:02X}>" for value in range(256))
_SPACE = "\u2581"  # SentencePiece writes a space as this character


def _train(model: Any, trainer: Any, pre_tokenizer: Any, normalizer: Any = None) -> tuple[Tokenizer, Mapping[str, Any]]:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(training_lines(), trainer)
    return tokenizer, json.loads(tokenizer.to_str())["model"]


def _number(pieces: Sequence[str]) -> dict[str, int]:
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def _by_id(vocab: Mapping[str, int]) -> list[str]:
    return sorted(vocab, key=lambda piece: vocab[piece])


@lru_cache
def wordpiece_model(first: tuple[str, ...], unknown: str, last: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the `model` entry of a WordPiece `tokenizer.json`; `first` and `last` are the special tokens."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    letters = sorted({letter for line in training_lines() for letter in normalizer.normalize_str(line)} - {" "})
    trainer = trainers.WordPieceTrainer(
        vocab_size=620,
        special_tokens=[*letters, *(f"##{letter}" for letter in letters)],
        show_progress=False,
    )
    _, model = _train(models.WordPiece(), trainer, pre_tokenizers.BertPreTokenizer(), normalizer)
    pieces = [*first, *_by_id(model["vocab"]), *last]
    return {
        "type": "WordPiece",
        "unk_token": unknown,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": _number(pieces),
    }


@lru_cache
def byte_level_model(
    first: tuple[str, ...] = (), last: tuple[str, ...] = (), pattern: str = "", words: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the `model` entry of a byte-level BPE `tokenizer.json`.

    Args:
        first: special tokens with the lowest ids.
        last: special tokens with the highest ids.
        pattern: regular expression that splits words, or empty for GPT-2's.
        words: ASCII words that are to be one token each.
    """
    split: Any = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        by_pattern = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
        split = pre_tokenizers.Sequence([by_pattern, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=560, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    _, model = _train(models.BPE(), trainer, split)
    pieces, merges = _with_words(_by_id(model["vocab"]), model["merges"], words)
    return _bpe([*first, *pieces, *last], merges, byte_fallback=False)


@lru_cache
def sentencepiece_bpe_model(
    first: tuple[str, ...], unknown: str, words: tuple[str, ...] = (), last: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the `model` entry of a SentencePiece BPE with byte fallback, as Llama 2 and Gemma have it.

    Args:
        first: special tokens with the lowest ids.
        unknown: the one for what the vocabulary lacks.
        words: words that are to be one token each where no space precedes them.
        last: special tokens with the highest ids.
    """
    model = _sentencepiece_training()[1]
    learnt, merges = _with_words(_by_id(model["vocab"]), model["merges"], words)
    pieces = [*first, *BYTE_PIECES, *learnt, *last]
    return _bpe(pieces, merges, byte_fallback=True) | {"unk_token": unknown, "fuse_unk": True}


@lru_cache
def unigram_model(first: tuple[str, ...], unknown: str, last: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the `model` entry of a Unigram `tokenizer.json`: pieces with log probabilities."""
    tokenizer, model = _sentencepiece_training()
    counts = Counter(piece for line in training_lines() for piece in tokenizer.encode(line).tokens)
    total = sum(counts.values())
    learnt = [[piece, math.log((counts[piece] or 0.5) / total)] for piece in _by_id(model["vocab"])]
    vocab = [*([piece, 0.0] for piece in first), *learnt, *([piece, 0.0] for piece in last)]
    return {"type": "Unigram", "unk_id": first.index(unknown), "vocab": vocab, "byte_fallback": False}


@lru_cache
def _sentencepiece_training() -> tuple[Tokenizer, Mapping[str, Any]]:
    trainer = trainers.BpeTrainer(vocab_size=420, show_progress=False)
    split = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
    return _train(models.BPE(), trainer, split)


def _with_words(pieces: Sequence[str], merges: Sequence[Any], words: Sequence[str]) -> tuple[list[str], list[Any]]:
    """Add words as pieces, with the merges that make each of what it falls into without them."""
    pieces, merges = list(pieces), [tuple(merge) for merge in merges]
    for word in words:
        pieces += sorted(set(word) - set(pieces))
        model = models.BPE(vocab=_number(pieces), merges=merges)
        parts = [token.value for token in model.tokenize(word)]
        for index in range(1, len(parts)):
            start = "".join(parts[:index])
            merges.append((start, parts[index]))
            pieces.append(start + parts[index])
    return pieces, merges


def _bpe(pieces: Sequence[str], merges: Sequence[Any], *, byte_fallback: bool) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": byte_fallback,
        "ignore_merges": False,
        "vocab": _number(pieces),
        "merges": [list(merge) for merge in merges],
    }
