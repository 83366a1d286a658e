"""Ids of a part of a text equal those that tokenising the whole text gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer

from cenote.inputs.content import ContentTokenizer

Trained = Callable[[str], Tokenizer]
Counting = Callable[[ContentTokenizer], Any]
RandomText = Callable[[random.Random, int], str]


@pytest.mark.parametrize("seed", range(25))
def test_beginning_and_end_equal_those_of_the_whole(
    content: ContentTokenizer, seed: int, random_text: RandomText
) -> None:
    rng = random.Random(seed)
    text = random_text(rng, rng.choice([300, 1500, 4000]))
    whole = content.whole(text)
    for count in (1, 2, 7, 40, 10**6):
        first, last = content.first(text, count), content.last(text, count)
        assert first.ids == whole[:count]
        assert last.ids == whole[max(0, len(whole) - count) :]
        for piece in (first, last):
            assert piece.seen == len(whole) if piece.exact else count <= piece.seen <= len(whole)


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_at_any_size_changes_an_id(content: ContentTokenizer, seed: int, random_text: RandomText) -> None:
    rng = random.Random(1000 + seed)
    text = random_text(rng, 600)
    whole = content.whole(text)
    for _ in range(10):
        size = rng.randrange(1, len(text))
        beginning, end = content._beginning(text, size).ids, content._end(text, size).ids
        assert beginning == whole[: len(beginning)]
        assert end == whole[len(whole) - len(end) :]


@pytest.mark.parametrize(
    "text", ["a" * 5 * 10**5, "深" * 10**5, " " * 10**5, "\u0301" * 10**5], ids=["a", "cjk", "space", "mark"]
)
def test_one_endless_word_is_still_exact(content: ContentTokenizer, text: str) -> None:
    assert content.first(text, 9).ids == content.whole(text)[:9]


# Kinds that split text before merging, or whose pieces never hold a word's end and a space.
@pytest.mark.parametrize("kind", ["wordpiece", "byte-level", "byte-level-split", "unigram", "whole-text-bpe"])
def test_work_grows_with_the_ids_kept_and_not_with_the_text(kind: str, trained: Trained, counting: Counting) -> None:
    content = ContentTokenizer(trained(kind))
    tokenised = counting(content)
    text = "the quick brown fox jumps over the lazy dog, twice. " * 400_000  # 20 MB: several seconds as a whole
    piece = content.first(text, 512)
    assert 512 < tokenised.characters < 20_000
    assert not piece.exact
    assert len(piece.ids) == 512


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "unigram-marks-only"])
def test_chinese_without_spaces_is_cut_at_its_punctuation(kind: str, trained: Trained) -> None:
    content = ContentTokenizer(trained(kind))
    text = "我们今天去公园散步，天气很好。" * 100_000  # noqa: RUF001
    piece = content.first(text, 300)
    assert piece.ids == content.whole(text[:3000])[:300]
    assert piece.seen < 5000


def test_a_vocabulary_with_pieces_across_words_is_not_cut_between_words(trained: Trained) -> None:
    rust = Tokenizer.from_str(trained("wordpiece").to_str())
    assert ContentTokenizer(rust)._find_cut("some words here", 10) == 10
    rust.add_tokens([AddedToken("some words")])
    assert ContentTokenizer(rust)._find_cut("some words here", 10) is None


def test_stored_truncation_and_padding_are_off_and_the_original_keeps_them(trained: Trained) -> None:
    rust = Tokenizer.from_str(trained("wordpiece").to_str())
    rust.enable_truncation(8)
    rust.enable_padding(length=8)
    content = ContentTokenizer(rust)
    assert len(content.whole("word " * 50)) >= 50
    assert len(content.whole("word")) < 8
    assert rust.truncation["max_length"] == 8
    assert rust.padding["length"] == 8


def test_many_threads_get_what_one_gets(kind: str, trained: Trained, random_text: RandomText) -> None:
    content = ContentTokenizer(trained(kind))
    texts = [random_text(random.Random(seed), 500) for seed in range(40)]
    alone = [content.first(text, 20).ids for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: content.first(text, 20).ids, texts * 3))
    assert together == alone * 3


def test_lower_casing_is_added_once_and_in_front(trained: Trained) -> None:
    cased = ContentTokenizer(trained("byte-level"), lower_case=True)
    # Letter by letter, as the reference does: Python would end the Greek word in another letter.
    assert cased.whole("Some WORDS \u03a3\u0391\u03a3") == cased.whole("some words \u03c3\u03b1\u03c3")
    plain = ContentTokenizer(trained("byte-level"))
    assert plain.whole("Some") != plain.whole("some")
    bert = ContentTokenizer(trained("wordpiece"), lower_case=True)
    assert "Lowercase" not in str(bert.rust.normalizer)
