"""Long prompts: refused, or cut so that only words of the text go."""

from __future__ import annotations

from typing import Any

import pytest

from cenote import LLM
from cenote.errors import InvalidRequest, PromptTooLong

_PAD = "<|endoftext|>"
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_LONG = " ".join(f"word{number}" for number in range(900))
_FAMILIES = ["colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5"]


def _around(family: str, role: str) -> tuple[str, str]:
    """Return what stands around a text."""
    if family == "nemotron_colembed":
        text = "Query: query:" if role == "query" else "passage:"
        return f"<|im_start|>user\n{text}", "<|im_end|>\n<|im_start|>assistant\n"
    return "Query:" if (family, role) == ("ops_colqwen3", "query") else "", _PAD * 10


@pytest.mark.parametrize("side", [None, "left"])
@pytest.mark.parametrize("family", _FAMILIES)
def test_a_cut_text_keeps_what_stands_around_it(family: str, side: Any, loaded: Any, encode: Any, ids_of: Any) -> None:
    options = {"truncate_prompt_tokens": 40} | ({"truncation_side": side} if side else {})
    (output,) = encode(loaded(family), [_LONG], "query", tokenization_kwargs=options)
    before, after = (ids_of(family, text) for text in _around(family, "query"))
    ids = list(output.prompt_token_ids)
    assert len(ids) == 40
    assert ids[: len(before)] == before
    assert ids[len(ids) - len(after) :] == after
    body = ids[len(before) : len(ids) - len(after)]
    whole = ids_of(family, f" {_LONG}" if before else _LONG)
    expected = whole[-len(body) :] if side == "left" else whole[: len(body)]
    assert body == expected


def test_without_being_asked_nothing_is_cut(folder_of: Any, encode: Any) -> None:
    with LLM(str(folder_of("colqwen3")), max_model_len=64) as model:
        with pytest.raises(PromptTooLong, match="at most 64"):
            encode(model, [_LONG])
        (output,) = encode(model, [_LONG], tokenization_kwargs={"truncate_prompt_tokens": -1})
        assert len(output.prompt_token_ids) == 64


def test_queries_of_nemotron_have_a_limit_of_their_own(edited: Any, encode: Any) -> None:
    folder = edited("nemotron_colembed", {"processor_config.json": {"q_max_length": 48, "p_max_length": 96}})
    with LLM(str(folder)) as model:
        for role, most in (("query", 48), ("document", 96)):
            with pytest.raises(PromptTooLong, match=f"at most {most}"):
                encode(model, [_LONG], role)
            (output,) = encode(model, [_LONG], role, tokenization_kwargs={"truncate_prompt_tokens": -1})
            assert len(output.prompt_token_ids) == most
        assert (
            len(encode(model, [_LONG], "query", tokenization_kwargs={"truncate_prompt_tokens": 96})[0].prompt_token_ids)
            == 48
        )
        with pytest.raises(InvalidRequest, match="1 to 96"):
            encode(model, [_LONG], "query", tokenization_kwargs={"truncate_prompt_tokens": 97})


def test_max_model_len_is_that_of_nemotrons_documents(folder_of: Any, encode: Any) -> None:
    with LLM(str(folder_of("nemotron_colembed")), max_model_len=64) as model:
        assert model.report()["max tokens"] == "64 (user)"
        for role in ("query", "document"):
            assert (
                len(
                    encode(model, [_LONG], role, tokenization_kwargs={"truncate_prompt_tokens": -1})[0].prompt_token_ids
                )
                == 64
            )


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", _FAMILIES)
def test_no_token_of_an_image_is_cut(
    family: str, side: str, loaded: Any, encode: Any, ids_of: Any, picture: Any
) -> None:
    options = {"truncate_prompt_tokens": 60, "truncation_side": side}
    prompt = {"prompt": _LONG, "multi_modal_data": {"image": picture()}}
    (output,) = encode(loaded(family), [prompt], tokenization_kwargs=options)
    (place,) = ids_of(family, "<|image_pad|>")
    ids = list(output.prompt_token_ids)
    assert len(ids) == 60
    assert ids.count(place) == 6
    end = "<|im_end|>\n<|im_start|>assistant\n" if family == "nemotron_colembed" else _PAD
    assert ids[-len(ids_of(family, end)) :] == ids_of(family, end)


@pytest.mark.parametrize("side", ["right", "left"])
def test_in_a_layout_of_the_users_own_only_words_beyond_the_images_go(
    side: str, loaded: Any, encode: Any, ids_of: Any, picture: Any
) -> None:
    words = _LONG[:1000]
    prompt = {"prompt": f"{words} {_IMAGE} {words}", "multi_modal_data": {"image": picture()}}
    model = loaded("colqwen3")
    whole = ids_of("colqwen3", prompt["prompt"])
    most = len(whole) + 5 - 20
    options = {"truncate_prompt_tokens": most, "truncation_side": side}
    (output,) = encode(model, [prompt], tokenization_kwargs=options)
    ids = list(output.prompt_token_ids)
    assert len(ids) == most
    assert (ids[:20] == whole[:20]) == (side == "right")
    assert (ids[-20:] == whole[-20:]) == (side == "left")
    with pytest.raises(InvalidRequest, match="no room for the text"):
        encode(model, [prompt], tokenization_kwargs={"truncate_prompt_tokens": 30, "truncation_side": side})


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_cut_that_leaves_no_word_is_refused(family: str, loaded: Any, encode: Any, picture: Any) -> None:
    prompt = {"prompt": _LONG, "multi_modal_data": {"image": picture()}}
    with pytest.raises(InvalidRequest, match=r"no room for the text|images or videos of this prompt"):
        encode(loaded(family), [prompt], tokenization_kwargs={"truncate_prompt_tokens": 12})


def test_a_text_of_many_megabytes_is_refused_soon(loaded: Any, encode: Any) -> None:
    with pytest.raises(PromptTooLong, match="at least"):
        encode(loaded("colqwen3"), [_LONG * 2000])


def test_a_layout_of_many_megabytes_is_refused_soon(loaded: Any, encode: Any, picture: Any) -> None:
    for text in (f"{_LONG * 2000}{_IMAGE}", f"{_IMAGE}{_LONG * 2000}"):
        prompt = {"prompt": text, "multi_modal_data": {"image": picture()}}
        with pytest.raises(PromptTooLong, match="at least"):
            encode(loaded("colqwen3"), [prompt])


def test_cut_tokens_of_ids_must_not_be_an_images(loaded: Any, encode: Any, ids_of: Any, picture: Any) -> None:
    ids = [*ids_of("colqwen3", _IMAGE), *ids_of("colqwen3", _LONG)]
    prompt = {"prompt_token_ids": ids, "multi_modal_data": {"image": picture()}}
    (output,) = encode(loaded("colqwen3"), [prompt], tokenization_kwargs={"truncate_prompt_tokens": 30})
    assert len(output.prompt_token_ids) == 30
    options = {"truncate_prompt_tokens": 30, "truncation_side": "left"}
    with pytest.raises(InvalidRequest, match="placeholder"):
        encode(loaded("colqwen3"), [prompt], tokenization_kwargs=options)
