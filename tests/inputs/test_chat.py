"""Conversations become what transformers makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs import TextEncoder, check_no_placeholders, parse_conversation, parse_prompts
from cenote.inputs.chat import ChatRenderer
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.checkpoints.templates import INTERNLM2, LLAMA3, QWEN
from cenote.types import ChatOptions, TokenizationOptions

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which bird sings at night?"},
    {"role": "assistant", "content": "The nightingale"},
]
PARTS = (
    "{% for m in messages %}{{ m.role }}:{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}"
    "{% endfor %};{% endfor %}"
)


@pytest.fixture(scope="module", params=["qwen3", "llama3"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    folder: Path = build_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    loaded = load_tokenizer(open_checkpoint(str(folder)))
    loaded.chat_template = QWEN
    return loaded


@pytest.fixture(scope="module")
def encoder(tokenizer: PreTrainedTokenizerBase) -> TextEncoder:
    return TextEncoder(tokenizer, max_tokens=256)


def _ids(encoder: TextEncoder, messages: Any, chat: ChatOptions | None = None, **more: Any) -> list[int]:
    (prompt,) = parse_prompts({"messages": messages})
    return list(encoder.encode(prompt, TokenizationOptions(chat=chat, **more)).token_ids)


@pytest.mark.parametrize("template", [QWEN, LLAMA3, INTERNLM2], ids=["qwen", "llama3", "internlm2"])
@pytest.mark.parametrize("settings", [{}, {"add_generation_prompt": True}, {"continue_final_message": True}], ids=str)
def test_conversations_equal_transformers(
    tokenizer: PreTrainedTokenizerBase, encoder: TextEncoder, template: str, settings: dict[str, bool]
) -> None:
    for messages in (TURNS, TURNS[1:], TURNS[1:2], [{"role": "query", "content": "深い {{ x }} <|im_end|>"}]):
        wanted = tokenizer.apply_chat_template(messages, chat_template=template, return_dict=False, **settings)
        assert _ids(encoder, messages, ChatOptions(template=template, **settings)) == wanted


def test_the_models_own_template_is_the_default_and_adds_no_special_tokens(
    tokenizer: PreTrainedTokenizerBase, encoder: TextEncoder
) -> None:
    plain = tokenizer.apply_chat_template(TURNS, return_dict=False)
    assert _ids(encoder, TURNS) == plain
    text = tokenizer.apply_chat_template(TURNS, tokenize=False)
    assert _ids(encoder, TURNS, add_special_tokens=True) == tokenizer(text)["input_ids"]


def test_conversations_are_truncated_as_texts(encoder: TextEncoder) -> None:
    whole = _ids(encoder, TURNS)
    assert _ids(encoder, TURNS, truncate_prompt_tokens=9) == whole[:9]
    assert _ids(encoder, TURNS, truncate_prompt_tokens=9, truncation_side="left") == whole[-9:]
    with pytest.raises(PromptTooLong, match="at most 256"):
        _ids(encoder, [{"role": "user", "content": "night " * 5000}])


def test_named_templates_are_chosen_by_name(tokenizer: PreTrainedTokenizerBase) -> None:
    named = load_tokenizer_like(tokenizer, {"default": QWEN, "short": "{{ messages[0].content }}"})
    encoder = TextEncoder(named, max_tokens=256)
    assert _ids(encoder, TURNS) == _ids(encoder, TURNS, ChatOptions(template=QWEN))
    assert (
        _ids(encoder, TURNS, ChatOptions(template="short"))
        == tokenizer("Be brief.", add_special_tokens=False)["input_ids"]
    )
    without = TextEncoder(load_tokenizer_like(tokenizer, {"short": "x", "long": "y"}), max_tokens=256)
    with pytest.raises(InvalidRequest, match="templates named 'long', 'short' and no default"):
        _ids(without, TURNS)


def load_tokenizer_like(tokenizer: PreTrainedTokenizerBase, template: Any) -> PreTrainedTokenizerBase:
    other = load_tokenizer(open_checkpoint(tokenizer.name_or_path))
    other.chat_template = template
    return other


def test_without_a_template_messages_are_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = TextEncoder(load_tokenizer_like(tokenizer, None), max_tokens=256)
    with pytest.raises(InvalidRequest, match=r"no chat template.*--chat-template") as caught:
        _ids(encoder, TURNS)
    assert caught.value.param == "messages"


def test_variables_reach_the_template(encoder: TextEncoder, tokenizer: PreTrainedTokenizerBase) -> None:
    options = ChatOptions(template="{{ a }}-{{ b[0].c }}-{{ eos_token }}", kwargs={"a": 1, "b": [{"c": True}]})
    assert (
        _ids(encoder, TURNS, options)
        == tokenizer(f"1-True-{tokenizer.eos_token}", add_special_tokens=False)["input_ids"]
    )


def test_parts_are_joined_unless_the_template_walks_over_them(
    encoder: TextEncoder, tokenizer: PreTrainedTokenizerBase
) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert _ids(encoder, parts) == _ids(encoder, [{"role": "user", "content": "a\nb"}])
    walked = tokenizer("user:ab;", add_special_tokens=False)["input_ids"]
    assert _ids(encoder, parts, ChatOptions(template=PARTS)) == walked
    # A template that reads parts only gets parts, also for plain content.
    assert _ids(encoder, [{"role": "user", "content": "ab"}], ChatOptions(template=PARTS)) == walked


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('Roles must alternate') }}", "Roles must alternate"),
        ("{% for m in messages %}", "end of template"),
        ("{{ messages[0].nothing.more }}", "nothing"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ messages.__class__.__name__ }}", "unsafe|no attribute"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe|safe"),
        ("{% for i in range(999999999) %}{{ i }}{% endfor %}", "[Rr]ange too big"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% include '/etc/passwd' %}", "loader"),
    ],
)
def test_a_template_that_fails_is_an_invalid_request(encoder: TextEncoder, template: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        _ids(encoder, TURNS, ChatOptions(template=template))
    assert caught.value.param is None
    assert len(str(caught.value)) < 500


def test_a_template_that_makes_far_too_much_is_refused(encoder: TextEncoder) -> None:
    options = ChatOptions(template="{% for i in range(90000) %}{{ messages[0].content }}{% endfor %}")
    with pytest.raises(InvalidRequest, match=r"made 9000000 characters of \d+;"):
        _ids(encoder, [{"role": "user", "content": "a" * 100}], options)


def test_contradictions_and_reserved_variables_are_refused(encoder: TextEncoder) -> None:
    with pytest.raises(InvalidRequest, match="exclude each other") as caught:
        _ids(encoder, TURNS, ChatOptions(add_generation_prompt=True, continue_final_message=True))
    assert caught.value.param == "continue_final_message"
    with pytest.raises(InvalidRequest, match="'tokenize'") as caught:
        _ids(encoder, TURNS, ChatOptions(kwargs={"tokenize": True, "x": 1}))
    assert caught.value.param == "chat_template_kwargs"


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
SEES = (
    "{% for m in messages %}{{ m.role }}:{% for p in m.content %}"
    "{% if p.type == 'image' %}<i>{% else %}{{ p.text }}{% endif %}{% endfor %};{% endfor %}"
)
READS = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"


@pytest.mark.parametrize(
    ("template", "wanted"),
    [(SEES, "user:a<i>b;user:c;"), (READS, "user:<image>\na\nb;user:c;")],
    ids=["parts", "strings"],
)
def test_media_stand_where_the_template_puts_them(tokenizer: Any, template: str, wanted: str) -> None:
    renderer = ChatRenderer(tokenizer, {"image": "<image>"})
    turns = [{"role": "user", "content": ["a", IMAGE, "b"]}, {"role": "user", "content": "c"}]
    messages = parse_conversation(turns).messages or ()
    assert renderer.render(messages, ChatOptions(template=template)) == wanted


def test_texts_with_a_placeholder_are_told_apart() -> None:
    check_no_placeholders(["a", "image_pad"], ["<|image_pad|>"])
    with pytest.raises(InvalidRequest, match=r"contains '<\|image_pad\|>'") as caught:
        check_no_placeholders(["a", "b<|image_pad|>"], ["<|video_pad|>", "<|image_pad|>"])
    assert caught.value.param == "input"


def test_media_parts_and_lone_surrogates_are_refused(encoder: TextEncoder) -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    with pytest.raises(InvalidRequest, match=r"'image'.*text only"):
        _ids(encoder, image)
    with pytest.raises(InvalidRequest, match="surrogate"):
        _ids(encoder, [{"role": "user", "content": "\ud800"}])
