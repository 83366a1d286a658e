"""Prompts become the ids that http-api.md section 6 says."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.inputs import TextEncoder
from cenote.inputs.content import ContentTokenizer
from cenote.types import Prompt, TokenizationOptions

Fast = Callable[..., PreTrainedTokenizerFast]
Trained = Callable[[str], Tokenizer]
RandomText = Callable[[random.Random, int], str]

PLAIN = TokenizationOptions()
TEXT = "the quick brown fox jumps over the lazy dog " * 5


def _cut(count: int, side: str | None = None, *, specials: bool = True) -> TokenizationOptions:
    return TokenizationOptions(truncate_prompt_tokens=count, truncation_side=side, add_special_tokens=specials)  # type: ignore[arg-type]


@pytest.fixture
def bert(fast: Fast) -> TextEncoder:
    return TextEncoder(fast("wordpiece"), max_tokens=16)


def test_short_text_equals_the_tokenizer(kind: str, fast: Fast) -> None:
    tokenizer = fast(kind)
    encoder = TextEncoder(tokenizer, max_tokens=512)
    for text in ("hello world", "Ça va? 👍🏽 深い", "a", " x "):
        assert list(encoder.encode(Prompt(text=text), PLAIN).token_ids) == tokenizer(text)["input_ids"]
        without = encoder.encode(Prompt(text=text), TokenizationOptions(add_special_tokens=False)).token_ids
        assert list(without) == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("seed", range(10))
def test_truncation_without_a_side_equals_the_tokenizers_own(
    kind: str, side: str, seed: int, fast: Fast, random_text: RandomText
) -> None:
    rng = random.Random(seed)
    text = random_text(rng, 900)
    tokenizer = fast(kind, truncation_side=side)
    encoder = TextEncoder(fast(kind, truncation_side=side), max_tokens=512)
    for count in (3, 17, 100):
        wanted = tokenizer(text, truncation=True, max_length=count)["input_ids"]
        assert list(encoder.encode(Prompt(text=text), _cut(count)).token_ids) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_an_explicit_side_slices_the_final_ids(kind: str, seed: int, fast: Fast, random_text: RandomText) -> None:
    text = random_text(random.Random(seed), 900)
    tokenizer = fast(kind)
    encoder = TextEncoder(tokenizer, max_tokens=512)
    whole = tokenizer(text)["input_ids"]
    for count in (1, 2, 17, 100):
        assert list(encoder.encode(Prompt(text=text), _cut(count, "right")).token_ids) == whole[:count]
        assert list(encoder.encode(Prompt(text=text), _cut(count, "left")).token_ids) == whole[-count:]


def test_minus_one_keeps_what_the_model_takes(bert: TextEncoder) -> None:
    prepared = bert.encode(Prompt(text=TEXT), _cut(-1))
    assert len(prepared) == 16
    assert prepared.truncated_tokens == len(bert._content.whole(TEXT)) + 2 - 16


@pytest.mark.parametrize("side", [None, "left", "right"])
def test_a_text_that_fits_is_not_changed_by_truncation(bert: TextEncoder, side: str | None) -> None:
    plain = bert.encode(Prompt(text="the dog"), PLAIN)
    assert bert.encode(Prompt(text="the dog"), _cut(len(plain), side)) == plain
    assert plain.truncated_tokens == 0


def test_truncated_tokens_is_a_lower_bound_where_the_rest_was_not_tokenised(bert: TextEncoder) -> None:
    prepared = bert.encode(Prompt(text="the dog " * 100_000), _cut(-1))
    assert 1 <= prepared.truncated_tokens < 100_000


def test_truncation_to_nothing_is_empty(bert: TextEncoder) -> None:
    for side in (None, "left", "right"):
        with pytest.raises(InvalidRequest, match="truncate_prompt_tokens is 0"):
            bert.encode(Prompt(text="the dog"), _cut(0, side))
        with pytest.raises(InvalidRequest, match="truncate_prompt_tokens is 0"):
            bert.encode(Prompt(token_ids=(5, 6)), _cut(0, side))


@pytest.mark.parametrize("count", [17, -2, 10**30])
def test_truncation_beyond_the_model_names_both_numbers(bert: TextEncoder, count: int) -> None:
    with pytest.raises(InvalidRequest, match=f"{count}.*16") as caught:
        bert.encode(Prompt(text="the dog"), _cut(count))
    assert caught.value.param == "truncate_prompt_tokens"


def test_over_long_text_names_limit_and_count(bert: TextEncoder) -> None:
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens.*at most 16") as caught:
        bert.encode(Prompt(text=TEXT), PLAIN)
    assert caught.value.param == "input_tokens"


def test_exactly_as_long_as_the_limit_is_fine(bert: TextEncoder) -> None:
    kept = bert.encode(Prompt(text=TEXT), _cut(-1))
    assert bert.encode(Prompt(token_ids=kept.token_ids), PLAIN).token_ids == kept.token_ids
    with pytest.raises(PromptTooLong):
        bert.encode(Prompt(token_ids=(*kept.token_ids, 5)), PLAIN)


def test_a_huge_text_is_refused_without_tokenising_it(
    bert: TextEncoder, counting: Callable[[ContentTokenizer], Any]
) -> None:
    tokenised = counting(bert._content)
    text = "the quick brown fox " * 5_000_000  # 100 MB
    with pytest.raises(PromptTooLong, match="at least"):
        bert.encode(Prompt(text=text), PLAIN)
    assert tokenised.characters < 10_000


def test_empty_text_has_only_special_tokens(bert: TextEncoder, fast: Fast) -> None:
    assert bert.encode(Prompt(text=""), PLAIN).token_ids == (2, 3)
    with pytest.raises(InvalidRequest, match="empty"):
        bert.encode(Prompt(text=""), TokenizationOptions(add_special_tokens=False))


def test_ids_out_of_vocabulary_are_refused(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=16, vocab_size=100)
    assert encoder.max_token_id == 99
    assert encoder.encode(Prompt(token_ids=(0, 99)), PLAIN).token_ids == (0, 99)
    for wrong in (100, -1, 10**30):
        with pytest.raises(InvalidRequest, match="out of vocabulary"):
            encoder.encode(Prompt(token_ids=(1, wrong)), PLAIN)


def test_text_whose_ids_the_model_lacks_is_refused(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=16, vocab_size=6)
    with pytest.raises(InvalidRequest, match="out of vocabulary"):
        encoder.encode(Prompt(text="the quick fox"), PLAIN)


def test_token_prompts_are_cut_with_their_segment_ids(bert: TextEncoder) -> None:
    prompt = Prompt(token_ids=(2, 7, 8, 3, 9, 3), token_type_ids=(0, 0, 0, 0, 1, 1))
    assert bert.encode(prompt, PLAIN).token_type_ids == (0, 0, 0, 0, 1, 1)
    left = bert.encode(prompt, _cut(3, "left"))
    assert (left.token_ids, left.token_type_ids, left.truncated_tokens) == ((3, 9, 3), (0, 1, 1), 3)
    assert bert.encode(prompt, _cut(2)).token_ids == (2, 7)


def test_empty_token_prompt_is_refused(bert: TextEncoder) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        bert.encode(Prompt(token_ids=()), PLAIN)


def test_lone_surrogates_are_a_clean_error_and_nul_is_text(bert: TextEncoder) -> None:
    with pytest.raises(InvalidRequest, match="surrogate at character 1"):
        bert.encode(Prompt(text="a\ud800b"), PLAIN)
    with pytest.raises(InvalidRequest, match="surrogate"):
        bert.encode(Prompt(text="the dog " * 10_000 + "\udfff"), _cut(-1))
    assert bert.encode(Prompt(text="the\0 dog"), PLAIN) == bert.encode(Prompt(text="the dog"), PLAIN)


def test_the_prefix_is_put_in_front_of_the_text(bert: TextEncoder) -> None:
    assert bert.encode(Prompt(text="dog"), PLAIN, prefix="the ") == bert.encode(Prompt(text="the dog"), PLAIN)
    assert bert.encode(Prompt(token_ids=(5,)), PLAIN, prefix="the ").token_ids == (5,)


def test_prefix_tokens_are_skipped_only_where_the_model_excludes_prompts(kind: str, fast: Fast) -> None:
    tokenizer = fast(kind)
    included = TextEncoder(tokenizer, max_tokens=64)
    excluded = TextEncoder(tokenizer, max_tokens=64, include_prompt=False)
    prefix = "search query: "
    alone = tokenizer(prefix)["input_ids"]
    wanted = len(alone) - (alone[-1] in tokenizer.all_special_ids)
    assert excluded.encode(Prompt(text="the dog"), PLAIN, prefix=prefix).pooling_skip == wanted
    assert excluded.encode(Prompt(text="the dog"), PLAIN).pooling_skip == 0
    assert included.encode(Prompt(text="the dog"), PLAIN, prefix=prefix).pooling_skip == 0


def test_a_prefix_longer_than_what_is_kept_skips_no_more_than_there_is(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=8, include_prompt=False)
    prepared = encoder.encode(Prompt(text="dog"), _cut(3), prefix="the quick brown fox jumps over the ")
    assert prepared.pooling_skip <= len(prepared)


def test_a_tokenizer_that_does_more_than_surround_a_text_is_refused(trained: Trained) -> None:
    rust = Tokenizer.from_str(trained("wordpiece").to_str())
    special = [("[CLS]", 2), ("[SEP]", 3)]
    rust.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP] $A", special_tokens=special)
    with pytest.raises(CheckpointError, match="adds 2 special tokens"):
        TextEncoder(PreTrainedTokenizerFast(tokenizer_object=rust), max_tokens=16)
