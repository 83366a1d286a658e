"""Tokens with their places in a text, and truncation that keeps special tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import InvalidRequest
from cenote.inputs import TextEncoder
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import Prompt, TokenizationOptions

TEXTS = ("A quiet cenote, far from the sea.", "Überraschung 深い 🌊 end", " x  y ", "")
LONG = "the nightingale sings at night and by day " * 6


@pytest.fixture(scope="module", params=["bert", "roberta", "xlm_roberta", "qwen3"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder: Path = build_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return load_tokenizer(open_checkpoint(str(folder)))


def test_ids_and_places_are_the_tokenizers_own(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=8)
    for text in TEXTS:
        located = encoder.locate(text)
        expected = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        assert list(located.ids) == expected["input_ids"]
        places = zip(expected["offset_mapping"], expected["special_tokens_mask"], strict=True)
        assert list(located.spans) == [None if special else tuple(span) for span, special in places]


def test_without_special_tokens_an_empty_text_has_no_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    assert TextEncoder(tokenizer, max_tokens=8).locate("", add_special_tokens=False).ids == ()


def test_places_count_from_the_start_of_the_callers_text(tokenizer: PreTrainedTokenizerBase) -> None:
    text, prefix = "what is a cenote", "query: "
    located = TextEncoder(tokenizer, max_tokens=8).locate(text, prefix=prefix)
    assert located.text == prefix + text
    assert list(located.ids) == tokenizer(prefix + text)["input_ids"]
    own = [span for span in located.own_spans() if span is not None]
    assert own[0][0] == 0
    assert own[-1][1] == len(text)
    assert len(own) < len([span for span in located.spans if span is not None])


def test_a_lone_surrogate_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InvalidRequest, match="surrogate"):
        TextEncoder(tokenizer, max_tokens=8).locate("a\ud800")


@pytest.mark.parametrize("side", ["left", "right"])
def test_truncation_at_a_side_can_keep_special_tokens(tokenizer: PreTrainedTokenizerBase, side: str) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    options = TokenizationOptions(truncate_prompt_tokens=9, truncation_side=side, keep_special_tokens=True)  # type: ignore[arg-type]
    tokenizer.truncation_side = side
    expected = tokenizer(LONG, truncation=True, max_length=9)["input_ids"]
    prepared = encoder.encode(Prompt(text=LONG), options)
    assert list(prepared.token_ids) == expected
    pair = encoder.encode(Prompt(text=LONG, text_pair="a short one"), options)
    expected = tokenizer([(LONG, "a short one")], truncation=True, max_length=9)["input_ids"][0]
    assert list(pair.token_ids) == expected
