"""What stands around texts and images: the ids are those of the whole written prompt, tokenised in one go."""

from __future__ import annotations

from typing import Any

import pytest

_PAD = "<|endoftext|>"
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
#: Texts whose first and last characters would merge with what stands around them.
_TEXTS = ["a word", "", " leading", "trailing ", "\nnew\n", "...", "12", "Ünïcode 漢字", "two  spaces", "it's <b>"]
_ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
_FAMILIES = ["colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5"]


def _written(family: str, role: str, text: str) -> str:
    """Write a text by hand."""
    if family == "colqwen3":
        return text.strip() + _PAD * 10
    if family == "colqwen3_5":
        return text + _PAD * 10
    if family == "ops_colqwen3":
        return f"Query: {text}{_PAD * 10}" if role == "query" else text
    prefix = "Query: query: " if role == "query" else "passage: "
    return f"<|im_start|>user\n{prefix}{text}{_ANSWER}"


def _shown(family: str, text: str) -> str:
    """Write a text beside an image by hand."""
    head = f"<|im_start|>user\n{_IMAGE}"
    if family == "nemotron_colembed":
        return f"{head}passage: {text}{_ANSWER}"
    tail = f"<|im_end|><|im_start|>assistant\n{_PAD}" if family == "ops_colqwen3" else f"<|im_end|>{_PAD}"
    text = text.strip() if family == "colqwen3" else text
    return f"{head}Describe the image.{f' {text}' if text else ''}{tail}"


def _expanded(ids: list[int], place: int, count: int) -> list[int]:
    return [other for token in ids for other in ([token] * count if token == place else [token])]


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("family", _FAMILIES)
def test_texts_are_written_as_the_reference_writes_them(
    family: str, role: str, loaded: Any, encode: Any, ids_of: Any
) -> None:
    texts = [text for text in _TEXTS if _written(family, role, text)]
    for text, output in zip(texts, encode(loaded(family), texts, role), strict=True):
        assert list(output.prompt_token_ids) == ids_of(family, _written(family, role, text)), repr(text)
        assert len(output.outputs.data) == len(output.prompt_token_ids)


@pytest.mark.parametrize("family", _FAMILIES)
def test_images_are_written_as_the_reference_writes_them(
    family: str, loaded: Any, encode: Any, ids_of: Any, picture: Any
) -> None:
    prompts = [{"prompt": text, "multi_modal_data": {"image": picture()}} for text in _TEXTS]
    (place,) = ids_of(family, "<|image_pad|>")
    for text, output in zip(_TEXTS, encode(loaded(family), prompts), strict=True):
        expected = _expanded(ids_of(family, _shown(family, text)), place, 6)
        assert list(output.prompt_token_ids) == expected, repr(text)


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_text_without_a_role_is_a_document(family: str, loaded: Any, encode: Any) -> None:
    bare, document = (encode(loaded(family), "a word", role)[0] for role in (None, "document"))
    assert bare.prompt_token_ids == document.prompt_token_ids


@pytest.mark.parametrize("family", _FAMILIES)
def test_an_image_is_written_alike_in_every_role(family: str, loaded: Any, encode: Any, picture: Any) -> None:
    prompt = {"multi_modal_data": {"image": picture()}}
    query, document = (encode(loaded(family), prompt, role)[0] for role in ("query", "document"))
    assert query.prompt_token_ids == document.prompt_token_ids


def test_an_empty_document_of_ops_has_no_tokens(loaded: Any, encode: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        encode(loaded("ops_colqwen3"), "")


@pytest.mark.parametrize("family", _FAMILIES)
def test_without_special_tokens_a_text_is_taken_as_it_is(family: str, loaded: Any, encode: Any, ids_of: Any) -> None:
    (output,) = encode(loaded(family), "a word", "query", tokenization_kwargs={"add_special_tokens": False})
    assert list(output.prompt_token_ids) == ids_of(family, "a word")


@pytest.mark.parametrize("family", _FAMILIES)
def test_vllm_reads_texts_as_they_are_and_images_in_front_of_them(
    family: str, loaded: Any, encode: Any, ids_of: Any, picture: Any
) -> None:
    model = loaded(family, compat="vllm")
    prompts = ["a word", {"prompt": " text", "multi_modal_data": {"image": picture()}}]
    (place,) = ids_of(family, "<|image_pad|>")
    for role in ("query", "document"):
        text, image = encode(model, prompts, role)
        assert list(text.prompt_token_ids) == ids_of(family, "a word")
        assert list(image.prompt_token_ids) == _expanded(ids_of(family, f"{_IMAGE} text"), place, 6)
