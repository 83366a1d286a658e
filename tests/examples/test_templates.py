"""The chat templates among the examples write what the models were trained on, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

_POOLING = Path(__file__).parents[2] / "examples" / "pooling"
_EMBED = _POOLING / "embed" / "template" / "nemotron_embed_vl.jinja"
_RERANK = _POOLING / "score" / "template" / "nemotron-vl-rerank.jinja"
_IMAGE = {"type": "image"}


def _render(template: Path, *messages: Mapping[str, Any]) -> str:
    texts, _ = render_jinja_template([[*messages]], chat_template=template.read_text("utf-8"), bos_token="<BOS>")
    return str(texts[0])


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("role", "content", "expected"),
    [
        ("document", [_text("Hello"), _IMAGE], "<BOS>passage: <image> Hello"),
        ("document", [_IMAGE], "<BOS>passage: <image> "),
        ("query", "Hi", "<BOS>query: Hi"),
        ("query", [_IMAGE, _text("a"), _IMAGE, _text("b")], "<BOS>query: <image> <image> ab"),
        ("user", "Hi", "<BOS>Hi"),
        ("user", [_IMAGE], "<BOS><image> "),
        ("document", " two\nlines\n", "<BOS>passage:  two\nlines\n"),
    ],
)
def test_the_template_of_embeddings_puts_a_prefix_then_images_then_texts(
    role: str, content: Any, expected: str
) -> None:
    assert _render(_EMBED, {"role": role, "content": content}) == expected


def test_the_template_of_embeddings_takes_one_message() -> None:
    with pytest.raises(TemplateError, match="one message; 2 were given"):
        _render(_EMBED, {"role": "query", "content": "a"}, {"role": "document", "content": "b"})


@pytest.mark.parametrize(
    ("query", "document", "expected"),
    [
        ("Q", "DOC", "question:Q \n \n passage:DOC"),
        ("Q", "<image>\nDOC", "<image> question:Q \n \n passage:\nDOC"),
        ("Q", "<image>DOC <image>", "<image> question:Q \n \n passage:DOC "),
        ("<image>Q", "DOC", "question:Q \n \n passage:DOC"),
        ("Q", "<image>", "<image> question:Q \n \n passage:"),
    ],
)
def test_the_template_of_pairs_puts_one_image_in_front(query: str, document: str, expected: str) -> None:
    messages = [{"role": "query", "content": query}, {"role": "document", "content": document}]
    assert _render(_RERANK, *messages) == expected


def test_the_template_of_pairs_takes_the_first_of_each_role() -> None:
    messages = [{"role": role, "content": f"{role} {place}"} for place in (1, 2) for role in ("document", "query")]
    assert _render(_RERANK, *messages) == "question:query 1 \n \n passage:document 1"


def test_the_template_of_pairs_needs_both_roles() -> None:
    with pytest.raises(TemplateError, match="one with the role 'document'"):
        _render(_RERANK, {"role": "query", "content": "a"})
