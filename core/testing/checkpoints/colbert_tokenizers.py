"""Tokenizers of late-interaction models: with the tokens that mark queries and documents, and all punctuation marks.

The reference libraries find the punctuation that gives no vector by its tokens, so that each of the 32 ASCII marks
must be one token, as it is in the published vocabularies.
"""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.encoder_tokenizers import ENCODER_TOKENIZERS
from cenote.testing.checkpoints.pieces import byte_level_model, unigram_model, wordpiece_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, byte_level, ids_of, template

__all__ = [
    "JINA_MARKERS",
    "PYLATE_MARKERS",
    "bert_tokenizer",
    "jina_tokenizer",
    "lfm2_tokenizer",
    "modernbert_tokenizer",
]

#: What PyLate adds to a vocabulary, spaces included.
PYLATE_MARKERS = ("[Q] ", "[D] ")
#: What jina adds to one.
JINA_MARKERS = ("[QueryMarker]", "[DocumentMarker]")
_MARKS = tuple(string.punctuation)
#: Logarithm of the probability of a mark that the training texts lack.
_RARE = -9.0


def bert_tokenizer() -> TinyTokenizer:
    """Return bert-base-uncased's: two unused tokens are the markers."""
    plain = ENCODER_TOKENIZERS["nomic"]()
    first = ("[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_MARKS)
    model = wordpiece_model(first, "[UNK]")
    post = template(ids_of(model), ["[CLS]"], ["[SEP]"])
    return replace(plain, model=model, pipeline={**plain.pipeline, "post_processor": post})


def modernbert_tokenizer() -> TinyTokenizer:
    """Return ModernBERT's as PyLate stores it: markers added, cut to a document, padded with the mask token."""
    return _stored_by_pylate(ENCODER_TOKENIZERS["modernbert"](), "[MASK]", extra_special=("[PAD]",))


def jina_tokenizer() -> TinyTokenizer:
    """Return XLM-R's with jina's markers behind the mask token."""
    plain = ENCODER_TOKENIZERS["xlm_roberta"]()
    model: dict[str, Any] = unigram_model(("<s>", "<pad>", "</s>", "<unk>"), "<unk>")
    known = {piece for piece, _ in model["vocab"]}
    missing = [[mark, _RARE] for mark in _MARKS if mark not in known]
    return replace(plain, model=model | {"vocab": [*model["vocab"], *missing, ["<mask>", 0.0]]}, added=JINA_MARKERS)


def lfm2_tokenizer() -> TinyTokenizer:
    """Return LFM2's as PyLate stores it: byte-level BPE that puts one token in front and has no mask token."""
    plain = DECODER_TOKENIZERS["llama3"]()
    first = ("<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>")
    split = plain.pipeline["pre_tokenizer"]
    model = byte_level_model(first, (), split["pretokenizers"][0]["pattern"]["Regex"])
    begin = template(ids_of(model), ["<|startoftext|>"], [], ["<|startoftext|>"])
    return _stored_by_pylate(
        replace(
            plain,
            model=model,
            special={"bos_token": "<|startoftext|>", "eos_token": "<|im_end|>", "pad_token": "<|pad|>"},
            pipeline={**plain.pipeline, "post_processor": {"type": "Sequence", "processors": [byte_level(), begin]}},
        ),
        "<|im_end|>",
        extra_special=("<|pad|>", "<|endoftext|>", "<|im_start|>"),
    )


def _stored_by_pylate(plain: TinyTokenizer, filler: str, *, extra_special: tuple[str, ...]) -> TinyTokenizer:
    """Return a tokenizer as PyLate saves it: with what the last call of it cut and padded to."""
    padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_type_id": 0}
    filled = replace(plain, special={**plain.special, "pad_token": filler})
    return replace(
        filled,
        extra_special=(*plain.extra_special, *extra_special),
        added=PYLATE_MARKERS,
        truncation={"direction": "Right", "max_length": 47, "strategy": "LongestFirst", "stride": 0},
        padding={**padding, "pad_id": filled.role("pad_token"), "pad_token": filler},
    )
