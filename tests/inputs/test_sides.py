"""Pairs with media become two texts, which a chat template can be filled with."""

from __future__ import annotations

from pathlib import Path

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.inputs import ChatPairTemplate, FilledPair, side_texts
from cenote.inputs.chat import ChatRenderer
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import ChatOptions, MediaItem, Prompt

_PLACEHOLDERS = {"image": "<i>", "video": "<v>"}
_IMAGE, _VIDEO = MediaItem("image", b""), MediaItem("video", b"")


def test_the_placeholders_of_each_side_stand_in_front_of_its_text() -> None:
    prompt = Prompt(text="q", text_pair="d", media=(_IMAGE, _VIDEO, _IMAGE), first_media=1)
    assert side_texts(prompt, _PLACEHOLDERS) == ("<i>q", "<v><i>d")


def test_a_side_may_have_a_text_or_media_only() -> None:
    embeds = MediaItem("image_embeds", {})
    assert side_texts(Prompt(text="", text_pair="d", media=(embeds,), first_media=1), _PLACEHOLDERS) == ("<i>", "d")
    assert side_texts(Prompt(text="q", text_pair="", media=(_VIDEO,)), _PLACEHOLDERS) == ("q", "<v>")


def test_a_template_is_filled_with_sides_and_the_variables_of_the_request(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(open_checkpoint(str(build_checkpoint("qwen2", tmp_path / "model"))))
    jinja = "{{ tone }}{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}]{% endfor %}"
    chat = ChatOptions(kwargs={"tone": "mild "})
    filled = FilledPair(ChatRenderer(tokenizer), ChatPairTemplate(template=jinja), chat, None)
    sides = side_texts(Prompt(text="q", text_pair="d", media=(_IMAGE,)), _PLACEHOLDERS)
    assert filled.text(*sides) == "mild [query:q][document:<i>d]"
