"""Words and gaps without end: exact where that is cheap, refused where it is not, and never tokenised whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from cenote.errors import InvalidRequest
from cenote.inputs.content import ONE_GO, ContentTokenizer
from cenote.inputs.runs import RunShortener

Trained = Callable[[str], Tokenizer]
RandomText = Callable[[random.Random, int], str]

BERT_NORMALIZERS: dict[str, Callable[[], normalizers.Normalizer | None]] = {
    "uncased": normalizers.BertNormalizer,
    "cased": lambda: normalizers.BertNormalizer(lowercase=False),
    "accents-kept": lambda: normalizers.BertNormalizer(strip_accents=False),
    "unclean": lambda: normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False),
    "lower-first": lambda: normalizers.Sequence([normalizers.Lowercase(), normalizers.BertNormalizer()]),
    "compatible": lambda: normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents()]),
    "none": lambda: None,
}
_LETTERS = ("a", "Z", "7", "aB9", "\u00e9", "\u00df", "\u0419", "\u044f\u0451", "\u304c", "\u30ab", "\ud55c\uae00")
_GLUE = (
    *(" ", "\n", "-", ".", "[MASK]", " [MASK] ", "[MA", "\u6df1", "\u0301", "\u200d", "\x01", "\0", "\ufffd"),
    *("\u3000", "\u0085", "\x1c", "\u0130", "\ufb01", "\u03a3", "_", "\u00b7", "\U0001f600", "x", " the dog "),
)


def _endless(rng: random.Random) -> str:
    """A text of runs of letters and of white space about as long as a word may be, or far longer."""
    parts = []
    for _ in range(rng.randint(1, 8)):
        length = rng.choice([1, 3, 50, 99, 100, 101, 107, 108, 109, 214, 215, 216, 217, 218, 300, 1000, 5000])
        parts.append(rng.choice(_LETTERS) * length if rng.random() < 0.7 else rng.choice([" ", "\n\t ", "\r"]) * length)
        parts.extend(rng.choices(_GLUE, k=rng.randint(0, 3)))
    return "".join(parts)


def _with_normalizer(rust: Tokenizer, name: str) -> Tokenizer:
    copy = Tokenizer.from_str(rust.to_str())
    made = BERT_NORMALIZERS[name]()
    copy.normalizer = made  # type: ignore[assignment]  # None is allowed, and means none
    return copy


def _shortener(rust: Tokenizer) -> RunShortener | None:
    return RunShortener.of(rust, [token.content for token in rust.get_added_tokens_decoder().values()])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", BERT_NORMALIZERS)
def test_shortened_runs_keep_every_id(name: str, seed: int, trained: Trained, random_text: RandomText) -> None:
    rng = random.Random(seed)
    content = ContentTokenizer(_with_normalizer(trained("wordpiece"), name))
    runs = _shortener(content.rust)
    assert runs is not None
    for text in (*(_endless(rng) for _ in range(20)), random_text(rng, 1000)):
        whole = content.whole(text)
        for shorten in (runs.head, runs.tail):
            short, complete = shorten(text, 10**9)
            assert complete
            assert len(short) <= len(text)
            assert content.whole(short) == whole
        for size in (1, 40, 216, 217, 700):
            beginning, end = content._beginning(text, size).ids, content._end(text, size).ids
            assert beginning == whole[: len(beginning)]
            assert end == whole[len(whole) - len(end) :]
        for count in (1, 5, 60):
            assert content.first(text, count).ids == whole[:count]
            assert content.last(text, count).ids == whole[max(0, len(whole) - count) :]


def test_runs_become_short_and_other_text_stays(trained: Trained) -> None:
    runs = _shortener(trained("wordpiece"))
    assert runs is not None
    for text in ("a" * 10**6, "x, " + "\u0431" * 10**5 + " y" + " " * 10**5):
        for shorten in (runs.head, runs.tail):
            short, complete = shorten(text, 5000)
            assert complete
            assert len(short) < 600
    plain = "some words, and more of them. " * 50
    assert runs.head(plain, 100) == (plain[:100], False)
    assert runs.tail(plain, 100) == (plain[-100:], False)


def test_runs_count_where_a_token_or_step_might_see_them(trained: Trained) -> None:
    base = trained("wordpiece").to_str()
    word, step, split = (Tokenizer.from_str(base) for _ in range(3))
    word.add_tokens([AddedToken("aaa")])
    step.normalizer = normalizers.Sequence([normalizers.Replace("a", " "), normalizers.BertNormalizer()])
    split.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.BertPreTokenizer()])
    assert _shortener(Tokenizer.from_str(base)) is not None
    for rust in (word, step, split, trained("byte-level"), trained("unigram")):
        assert _shortener(rust) is None
    assert ContentTokenizer(word).first("a" * 3000, 40).ids == [word.token_to_id("aaa")] * 40


HUGE = {"letter": "a" * 50_000_000, "chinese": "\u5b57" * 20_000_000, "space": " " * 50_000_000, "ab": "a b " * 10**7}


@pytest.mark.parametrize("side", ["first", "last"])
@pytest.mark.parametrize("what", HUGE)
def test_little_of_a_huge_text_is_tokenised(
    kind: str, what: str, side: str, trained: Trained, counting: Callable[[ContentTokenizer], Any]
) -> None:
    content = ContentTokenizer(trained(kind))
    tokenised = counting(content)
    found: int | None = None
    with suppress(InvalidRequest):
        found = len(getattr(content, side)(HUGE[what], 257).ids)
    assert tokenised.characters < 3 * ONE_GO
    if kind == "wordpiece":
        assert found == {"letter": 1, "chinese": 257, "space": 0, "ab": 257}[what]
    elif what == "ab" and kind != "unigram-across-words":
        assert found == 257


@pytest.mark.parametrize("side", ["first", "last"])
def test_ordinary_words_of_every_script_are_never_refused(kind: str, side: str, trained: Trained) -> None:
    if kind == "unigram-across-words":  # its pieces hold spaces: no place is safe to cut
        return
    content = ContentTokenizer(trained(kind))
    texts = ["the quick brown fox, ", "Привет, мир! Это пример текста. ", "세계 안녕하세요 ", "Ça déjà\n"]
    if kind in ("wordpiece", "byte-level"):  # the pieces of the others hold such pairs
        texts.append('{"a":1,"b":[2.5,3]},')
    if kind != "whole-text-bpe":  # likewise
        texts.append("我们今天去公园散步，天气很好。")  # noqa: RUF001
    for text in texts:
        few = text * 2000
        wanted = getattr(content, side)(few, 500).ids
        assert len(wanted) == 500
        assert getattr(content, side)(text * 300_000, 500).ids == wanted


def test_what_is_refused_is_said_without_the_text(trained: Trained) -> None:
    content = ContentTokenizer(trained("byte-level"))
    assert content.last("a" * (2 * ONE_GO), 9).exact
    with pytest.raises(InvalidRequest, match=r"has 3000000 characters.*no place.*at most 600000") as caught:
        content.last("a" * 3_000_000, 9)
    assert caught.value.param == "input"
    assert len(str(caught.value)) < 400
