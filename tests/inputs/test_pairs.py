"""Pairs of texts equal what the checkpoint's own tokenizer makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.inputs import TextEncoder
from cenote.inputs.pairs import longest_first
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import Prompt, TokenizationOptions

RandomText = Callable[[random.Random, int], str]
Fast = Callable[..., PreTrainedTokenizerFast]

FAMILIES = ("bert", "roberta", "xlm_roberta", "modernbert", "deberta_v2", "qwen2", "qwen3", "llama", "mistral", "gemma")
PLAIN = TokenizationOptions()
BARE = TokenizationOptions(add_special_tokens=False)
A, B = "which bird sings at night?", "The nightingale sings at night, and by day as well."


@pytest.fixture(scope="module", params=FAMILIES)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder: Path = build_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return load_tokenizer(open_checkpoint(str(folder)))


def _cut(count: int, **more: Any) -> TokenizationOptions:
    return TokenizationOptions(truncate_prompt_tokens=count, **more)


def _encode(encoder: TextEncoder, first: str, second: str, options: TokenizationOptions) -> dict[str, Any]:
    prepared = encoder.encode(Prompt(text=first, text_pair=second), options)
    types = prepared.token_type_ids
    return {"input_ids": list(prepared.token_ids), "token_type_ids": None if types is None else list(types)}


def _reference(tokenizer: PreTrainedTokenizerBase, first: str, second: str, **settings: Any) -> dict[str, Any]:
    # In a list, as a cross-encoder gives it: alone, transformers takes an empty second text for none.
    found = {name: rows[0] for name, rows in tokenizer([(first, second)], **settings).items()}
    types = found.get("token_type_ids")
    return {"input_ids": found["input_ids"], "token_type_ids": types if types and any(types) else None}


def test_pairs_equal_the_tokenizers_own(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    for first, second in ((A, B), ("", B), (A, ""), (" x ", "  "), ("深い", "[SEP]</s>")):
        assert _encode(encoder, first, second, PLAIN) == _reference(tokenizer, first, second)
        bare = _reference(tokenizer, first, second, add_special_tokens=False)
        if bare["input_ids"]:
            assert _encode(encoder, first, second, BARE) == bare


def test_without_special_tokens_a_pair_is_both_contents(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    contents = [encoder.encode(Prompt(text=text), BARE).token_ids for text in (A, B)]
    assert encoder.encode(Prompt(text=A, text_pair=B), BARE).token_ids == contents[0] + contents[1]


def test_truncation_equals_longest_first_at_every_length(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    least = tokenizer.num_special_tokens_to_add(pair=True) + 1
    for first, second in ((A, B), (B, A), (A, A), (A, ""), ("", A), (A * 4, B)):
        for count in range(least, 40):
            wanted = _reference(tokenizer, first, second, truncation=True, max_length=count)
            assert _encode(encoder, first, second, _cut(count)) == wanted


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("seed", range(3))
def test_long_random_pairs_are_cut_as_if_tokenised_whole(
    kind: str, side: str, seed: int, fast: Fast, random_text: RandomText
) -> None:
    rng = random.Random(seed)
    texts = [random_text(rng, rng.choice([5, 60, 900, 2000])) for _ in range(2)]
    tokenizer = fast(kind, truncation_side=side)
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="<x> $A <y> $B:1 <y>:1", special_tokens=[("<x>", 1), ("<y>", 2)]
    )
    encoder = TextEncoder(tokenizer, max_tokens=512)
    # Of two long texts that are cut to a few tokens the reference makes a million pairs of what is left over.
    for count in (100, 101) if min(map(len, texts)) > 1000 else (4, 17, 18, 100, 101):
        wanted = _reference(tokenizer, *texts, truncation=True, max_length=count)
        assert _encode(encoder, texts[0], texts[1], _cut(count)) == wanted


def test_a_huge_document_is_not_tokenised_whole(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=64)
    for texts in ((A, B * 20_000), (B * 20_000, A)):
        short = [text[:4000] for text in texts]
        found = encoder.encode(Prompt(text=texts[0], text_pair=texts[1]), _cut(-1))
        assert list(found.token_ids) == _reference(tokenizer, *short, truncation=True, max_length=64)["input_ids"]
        assert 0 < found.truncated_tokens < 100_000  # of a million


def test_two_huge_texts_share_an_odd_room_as_if_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=64)
    long, longer = B * 20, B * 21
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    for texts in ((long, longer), (longer, long), (long, long)):
        for count in (21 + specials, 22 + specials):
            wanted = _reference(tokenizer, *texts, truncation=True, max_length=count)
            assert _encode(encoder, texts[0], texts[1], _cut(count)) == wanted


@pytest.mark.parametrize("seed", range(50))
def test_room_is_never_left_empty_nor_exceeded(seed: int) -> None:
    rng = random.Random(seed)
    first, second, room = rng.randrange(40), rng.randrange(40), rng.randrange(60)
    kept = longest_first(first, second, room)
    assert sum(kept) == min(room, first + second)
    assert 0 <= kept[0] <= first
    assert 0 <= kept[1] <= second


def test_an_explicit_side_slices_the_final_ids(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    whole = _reference(tokenizer, A, B * 3)
    types = whole["token_type_ids"] or [0] * len(whole["input_ids"])
    for count in (1, 7, 20, 40):
        for side, part in (("right", slice(count)), ("left", slice(-count, None))):
            kept = types[part] if any(types[part]) else None
            wanted = {"input_ids": whole["input_ids"][part], "token_type_ids": kept}
            assert _encode(encoder, A, B * 3, _cut(count, truncation_side=side)) == wanted


def test_each_side_is_cut_to_its_own_limit_first(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    query, document = (encoder.encode(Prompt(text=text), BARE).token_ids for text in (A, B))
    prompt = Prompt(text=A, text_pair=B)
    cut = encoder.encode(prompt, TokenizationOptions(max_tokens_per_query=3, max_tokens_per_doc=5))
    wanted = tokenizer(A, B)["input_ids"]
    assert len(cut) == len(wanted) - (len(query) - 3) - (len(document) - 5)
    bare = TokenizationOptions(max_tokens_per_query=3, max_tokens_per_doc=5, add_special_tokens=False)
    assert encoder.encode(prompt, bare).token_ids == query[:3] + document[:5]
    unlimited = TokenizationOptions(max_tokens_per_query=0, max_tokens_per_doc=511)
    assert encoder.encode(prompt, unlimited) == encoder.encode(prompt, PLAIN)


def test_a_single_text_is_cut_by_its_role(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=64)
    options = TokenizationOptions(max_tokens_per_query=2, max_tokens_per_doc=4, add_special_tokens=False)
    ids = encoder.encode(Prompt(text=A), BARE).token_ids
    assert encoder.encode(Prompt(text=A), options, role="query").token_ids == ids[:2]
    assert encoder.encode(Prompt(text=A), options, role="document").token_ids == ids[:4]
    assert encoder.encode(Prompt(text=A), options).token_ids == ids[:2]


@pytest.mark.parametrize("value", [-1, 64, 10**9])
@pytest.mark.parametrize("name", ["query", "doc"])
def test_limits_of_a_side_are_checked(name: str, value: int, fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=64)
    options = TokenizationOptions(**{f"max_tokens_per_{name}": value})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=f"max_tokens_per_{name} is {value}.*63") as caught:
        encoder.encode(Prompt(text=A, text_pair=B), options)
    assert caught.value.param == f"max_tokens_per_{name}"


@pytest.mark.parametrize("seed", range(10))
def test_a_shortened_text_has_no_more_tokens_than_asked_for(
    kind: str, seed: int, fast: Fast, random_text: RandomText
) -> None:
    text = random_text(random.Random(seed), 700)
    encoder = TextEncoder(fast(kind), max_tokens=512)
    content = encoder._content
    whole = content.whole(text)
    for count in (1, 2, 9, 40):
        ids = content.whole(content.shorten(text, count)[0])
        assert len(ids) <= count
        # Where the end of the cut is tokenised differently or a character has several tokens, a few are lost.
        same = max(0, len(ids) - 1)
        assert ids[:same] == whole[:same]
    assert content.shorten(text, len(whole)) == (text, 0)


def test_a_shortened_text_keeps_whole_characters(fast: Fast) -> None:
    content = TextEncoder(fast("byte-level"), max_tokens=64)._content
    text = "\U0001f468\u200d\U0001f469 " * 50
    for count in range(1, 20):
        assert text.startswith(content.shorten(text, count)[0])


def test_a_pair_that_is_too_long_is_refused_with_its_length(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=16)
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens.*at most 16"):
        encoder.encode(Prompt(text=A, text_pair=B), PLAIN)
    with pytest.raises(PromptTooLong, match="at least"):
        encoder.encode(Prompt(text=A, text_pair=B * 10_000), PLAIN)


def test_a_prefix_goes_in_front_of_the_first_text(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(tokenizer, max_tokens=512)
    with_prefix = encoder.encode(Prompt(text=A, text_pair=B), PLAIN, prefix="query: ")
    assert with_prefix == encoder.encode(Prompt(text="query: " + A, text_pair=B), PLAIN)


def test_segment_ids_are_kept_only_where_the_model_has_segments(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(open_checkpoint(str(build_checkpoint("bert", tmp_path))))
    pair = Prompt(text=A, text_pair=B)
    assert TextEncoder(tokenizer, max_tokens=99, type_vocab_size=2).encode(pair, PLAIN).token_type_ids is not None
    without = TextEncoder(tokenizer, max_tokens=99, type_vocab_size=0)
    assert without.encode(pair, PLAIN).token_type_ids is None
    given = Prompt(token_ids=(5, 6), token_type_ids=(0, 1))
    with pytest.raises(InvalidRequest, match="tells no segments apart") as caught:
        without.encode(given, PLAIN)
    assert caught.value.param == "token_type_ids"
    assert without.encode(Prompt(token_ids=(5, 6), token_type_ids=(0, 0)), PLAIN).token_type_ids == (0, 0)


def test_lone_surrogates_are_refused_on_either_side(fast: Fast) -> None:
    encoder = TextEncoder(fast("wordpiece"), max_tokens=64)
    for texts in (("a\ud800", "b"), ("a", "b\ud800")):
        with pytest.raises(InvalidRequest, match="surrogate"):
            encoder.encode(Prompt(text=texts[0], text_pair=texts[1]), PLAIN)
    with pytest.raises(InvalidRequest, match="surrogate"):
        encoder.encode(Prompt(text="a"), PLAIN, prefix="\ud800")


@pytest.mark.parametrize("pair", ["$A <x> $B $A", "$A:0 <x> $B:1 <x> $A:0"])
def test_a_tokenizer_that_does_more_than_join_texts_is_refused_for_pairs_only(pair: str, fast: Fast) -> None:
    rust = Tokenizer.from_str(fast("wordpiece").backend_tokenizer.to_str())
    rust.post_processor = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=[("<x>", 1)])
    encoder = TextEncoder(PreTrainedTokenizerFast(tokenizer_object=rust), max_tokens=64)
    assert encoder.encode(Prompt(text="the dog"), PLAIN).token_ids
    with pytest.raises(CheckpointError, match="pair of texts"):
        encoder.encode(Prompt(text="the", text_pair="dog"), PLAIN)
