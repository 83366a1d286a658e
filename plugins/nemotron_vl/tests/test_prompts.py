"""Prompts in every form: which strings the model reads, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.testing.pictures import sample_picture

IMAGE = sample_picture(64, 64, seed=1)
SEEN = "<img>" + "<IMG_CONTEXT>" * 4 + "</img>"
TEMPLATE = Path(__file__).parents[3] / "examples/pooling/embed/template/nemotron_embed_vl.jinja"


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Path]) -> Path:
    return folder_of("llama_nemotron_vl")


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(str(folder), mm_processor_kwargs={"max_input_tiles": 1})


@pytest.fixture(scope="module")
def templated(folder: Path) -> LLM:
    return LLM(str(folder), mm_processor_kwargs={"max_input_tiles": 1}, chat_template=str(TEMPLATE))


def _ids(llm: LLM, prompt: Any, **options: Any) -> list[int]:
    (output,) = llm.embed([prompt], **options)
    return list(output.prompt_token_ids)


def _text(llm: LLM, text: str) -> list[int]:
    """Return the ids of a complete string, as the model's own processor tokenises it."""
    found: list[int] = llm.get_tokenizer().encode(text)
    return found


def _prompt(text: str | None = None, count: int = 1) -> Any:
    return {"multi_modal_data": {"image": [IMAGE] * count}, **({} if text is None else {"prompt": text})}


def _message(role: str, *parts: Any) -> Any:
    shown = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"messages": [{"role": role, "content": shown}]}


SHOWN = {"type": "image_pil", "image_pil": IMAGE}


@pytest.mark.parametrize(
    ("prompt", "role", "expected"),
    [
        ("Hi", "query", "query: Hi"),
        ("Hi", "document", "passage: Hi"),
        ("Hi", None, "Hi"),
        (_prompt(), "document", f"passage: {SEEN} "),
        (_prompt("Hello"), "document", f"passage: {SEEN} Hello"),
        (_prompt("Hello"), "query", f"query: {SEEN} Hello"),
        (_prompt("Hello"), None, f"{SEEN} Hello"),
        (_prompt("Hello", 2), "document", f"passage: {SEEN} {SEEN} Hello"),
        (_prompt("see <image> there"), "document", f"see {SEEN} there"),
        ("an <image> and an <image> of it", "document", "passage: an  and an <image> of it"),
        ("an <image>", "query", "query: an <image>"),
    ],
)
def test_a_prompt_becomes_the_string_of_the_models_own_processor(
    llm: LLM, prompt: Any, role: Any, expected: str
) -> None:
    assert _ids(llm, prompt, role=role) == _text(llm, expected)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (_message("document", "Hello", SHOWN), f"passage: {SEEN} Hello"),
        (_message("document", SHOWN), f"passage: {SEEN} "),
        (_message("query", "Hi"), "query: Hi"),
        (_message("query", SHOWN, "Hi"), f"query: {SEEN} Hi"),
        (_message("user", "Hi"), "Hi"),
        (_message("user", "a", SHOWN, "b"), f"{SEEN} ab"),
    ],
)
def test_the_published_template_and_no_template_give_the_same(
    llm: LLM, templated: LLM, message: Any, expected: str
) -> None:
    assert _ids(llm, message) == _ids(templated, message) == _text(llm, expected)


def test_ids_have_one_placeholder_for_each_image(llm: LLM) -> None:
    ids = _text(llm, "a <IMG_CONTEXT> b")
    found = _ids(llm, {"prompt_token_ids": ids, "multi_modal_data": {"image": IMAGE}})
    assert found == _text(llm, "a " + "<IMG_CONTEXT>" * 4 + " b")


@pytest.mark.parametrize(
    "prompt",
    [
        "a <IMG_CONTEXT> of a text",
        _prompt("a <IMG_CONTEXT>"),
        _prompt("<image> and <image>"),
        {"prompt_token_ids": [565, 565]},
        {"prompt_token_ids": [64], "multi_modal_data": {"image": IMAGE}},
        {"messages": [{"role": "query", "content": "a"}, {"role": "document", "content": "b"}]},
    ],
)
def test_what_the_model_cannot_read_is_refused(llm: LLM, prompt: Any) -> None:
    with pytest.raises(InvalidRequest):
        llm.embed([prompt])


def test_the_template_takes_one_message(templated: LLM) -> None:
    with pytest.raises(InvalidRequest, match="one message"):
        _ids(templated, {"messages": [{"role": "query", "content": "a"}, {"role": "document", "content": "b"}]})


def test_with_compat_vllm_nothing_is_put_in_front(folder: Path) -> None:
    plain = LLM(str(folder), compat="vllm", mm_processor_kwargs={"max_input_tiles": 1})
    assert _ids(plain, "Hi", role="query") == _text(plain, "Hi")
    with pytest.raises(InvalidRequest, match="no chat template"):
        plain.embed([_message("query", "Hi")])


def test_text_beside_an_image_is_cut_and_the_image_never(llm: LLM) -> None:
    words = " ".join(["cenote"] * 50)
    whole = _text(llm, f"passage: {SEEN} {words}")
    for keep in (20, 30):
        assert (
            _ids(llm, _prompt(words), role="document", tokenization_kwargs={"truncate_prompt_tokens": keep})
            == whole[:keep]
        )
    with pytest.raises(InvalidRequest, match="no room"):
        _ids(llm, _prompt(words), role="document", tokenization_kwargs={"truncate_prompt_tokens": 6})
    with pytest.raises(InvalidRequest, match="end of a prompt"):
        _ids(llm, _prompt(words), tokenization_kwargs={"truncate_prompt_tokens": 20, "truncation_side": "left"})


def test_queries_are_shorter_than_documents(edited: Callable[..., Path]) -> None:
    llm = LLM(str(edited("llama_nemotron_vl", {"config.json": {"q_max_length": 8, "p_max_length": 24}})))
    words = "one two three four five"
    length = len(_text(llm, f"query: {words}"))
    assert 8 < length <= 24
    with pytest.raises(PromptTooLong):
        _ids(llm, words, role="query")
    assert len(_ids(llm, words, role="query", tokenization_kwargs={"truncate_prompt_tokens": -1})) == 8
    assert len(_ids(llm, words, role="query", tokenization_kwargs={"truncate_prompt_tokens": 10})) == 8
    assert len(_ids(llm, words)) <= 24
    with pytest.raises(PromptTooLong, match="images"):
        _ids(llm, _prompt(words), role="document")
    with pytest.raises(PromptTooLong, match="images"):
        _ids(llm, _prompt(count=6))
