"""Texts beside an image that name what stands for it: they are read as words, or refused, and never move the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote_nemotron_vl.writing import cleaned

IMAGE = Image.new("RGB", (28, 28), (200, 30, 30))
SHOWN = {"type": "image_pil", "image_pil": IMAGE}
CAPTION = "a <image> b"
_TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
)


def _chat(*texts: str) -> Any:
    return {"messages": [{"role": "document", "content": [*({"type": "text", "text": t} for t in texts), SHOWN]}]}


def _score(llm: LLM, item: Any) -> float:
    return float(llm.score("a query", [item], use_tqdm=False)[0].outputs.score)


@pytest.fixture(scope="module")
def llm(folder_of: Callable[[str], Path]) -> Iterator[LLM]:
    with LLM(str(folder_of("llama_nemotron_vl"))) as model:
        yield model


def test_an_image_stays_in_front_of_a_caption_that_names_its_place(llm: LLM) -> None:
    plain, named = (list(llm.embed([_chat(text)], use_tqdm=False)[0].prompt_token_ids) for text in ("a", CAPTION))
    assert named[: len(plain)] == plain  # the prefix, the image and the first word
    (context,) = llm.get_tokenizer()("<IMG_CONTEXT>", add_special_tokens=False)["input_ids"]
    assert named.count(context) == plain.count(context)


def test_an_item_is_read_alike_in_every_spelling_and_a_layout_otherwise(llm: LLM) -> None:
    text = {"type": "text", "text": CAPTION}
    content = _score(llm, {"content": [SHOWN, text]})
    assert _score(llm, {"image": IMAGE, "text": CAPTION}) == pytest.approx(content, abs=1e-5)
    assert _score(llm, {"text": CAPTION, "multi_modal_data": {"image": IMAGE}}) == pytest.approx(content, abs=1e-5)
    assert abs(_score(llm, {"prompt": CAPTION, "multi_modal_data": {"image": IMAGE}}) - content) > 1e-4


def test_a_chat_template_writes_the_place_of_an_image_and_no_text_does(folder_of: Callable[[str], Path]) -> None:
    with LLM(str(folder_of("llama_nemotron_vl")), chat_template=_TEMPLATE) as model:
        more = {"role": "user", "content": [{"type": "text", "text": "more"}]}
        model.embed([{"messages": [*_chat("a")["messages"], more]}], use_tqdm=False)
        named = {"role": "user", "content": [{"type": "text", "text": CAPTION}]}
        plain, marked = (
            list(model.embed([{"messages": [*_chat("a")["messages"], other]}], use_tqdm=False)[0].prompt_token_ids)
            for other in (more, named)
        )
        context = model.get_tokenizer().convert_tokens_to_ids("<IMG_CONTEXT>")
        end = len(plain) - plain[::-1].index(context)
        assert marked[:end] == plain[:end]
        assert marked[end:] == model.get_tokenizer()(f"</img>{CAPTION}", add_special_tokens=False)["input_ids"]
        with pytest.raises(InvalidRequest, match="contains '<image>'"):
            model.embed([{"messages": [*_chat("<ima", "ge>")["messages"], more]}], use_tqdm=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ima<image>ge>", ""),
        ("a <ima<image><image>ge> b", "a  b"),
        ("<image>>", ">"),
        ("<ima> <image", "<ima> <image"),
        ("<<image>image>x", "x"),
    ],
)
def test_no_place_of_an_image_is_left_or_made_by_taking_it_out(text: str, expected: str) -> None:
    assert cleaned(text) == expected


def test_texts_of_pairs_never_write_the_place_of_an_image(folder_of: Callable[[str], Path]) -> None:
    nested = "<ima<image>ge>"
    template = "{% for m in messages %}{{ m.content }};{% endfor %}"
    with LLM(str(folder_of("llama_nemotron_vl_rerank"))) as model:
        for options in ({}, {"chat_template": template}):
            for shown in ({}, {"image": IMAGE}):
                plain, named = (
                    model.score(f"a{text}", {"text": f"b{text}", **shown}, use_tqdm=False, **options)[0]
                    for text in ("", nested)
                )
                assert named.prompt_token_ids == plain.prompt_token_ids
        with pytest.raises(InvalidRequest, match="IMG_CONTEXT"):
            model.score("a", "b <IMG_<image>CONTEXT>", use_tqdm=False)


def test_taking_a_place_out_of_a_document_makes_no_placeholder(llm: LLM) -> None:
    made: Any = {"messages": [{"role": "document", "content": "a <IMG_<image>CONTEXT>"}]}
    with pytest.raises(InvalidRequest, match="contains '<IMG_CONTEXT>'"):
        llm.embed([made], use_tqdm=False)
