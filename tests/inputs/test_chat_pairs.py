"""Pairs filled into chat templates, against sentence-transformers on the same files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers.base.modules import Transformer

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs import ChatPairTemplate, TextEncoder
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.checkpoints.templates import QWEN, QWEN_RERANKER, ZERANK
from cenote.types import ChatOptions, TokenizationOptions

RandomText = Callable[[random.Random, int], str]

PLAIN = TokenizationOptions()
QUERY, DOCUMENT = "which bird sings at night?", "The nightingale sings at night,\nand by day as well. "
TEMPLATES = {"qwen": QWEN_RERANKER, "zerank": ZERANK, "turns": QWEN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("qwen2", tmp_path_factory.mktemp("qwen2"), sentence_transformers=False)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    return TextEncoder(load_tokenizer(open_checkpoint(str(folder))), max_tokens=400)


@pytest.fixture(scope="module", params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> str:
    return TEMPLATES[request.param]


@pytest.fixture(scope="module")
def reference(folder: Path, template: str) -> Callable[..., list[int]]:
    modality = {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}
    module = Transformer(
        str(folder),
        transformer_task="feature-extraction",
        processor_kwargs={"chat_template": template},
        modality_config={"message": modality},
        module_output_name="token_embeddings",
    )

    def encode(query: str, document: str, prompt: str | None, limit: int) -> list[int]:
        settings = {"text": {"max_length": limit, "truncation": True}}
        found = module.preprocess([(query, document)], prompt=prompt, processing_kwargs=settings)
        return list(found["input_ids"][0].tolist())

    return encode


@pytest.mark.parametrize("instruction", [None, "Find {{ birds }}."])
def test_ids_equal_those_of_sentence_transformers(
    encoder: TextEncoder, template: str, reference: Callable[..., list[int]], instruction: str | None
) -> None:
    for query, document in ((QUERY, DOCUMENT), ("深い {{ x }}", "{% raw %} <|im_end|>"), (" a ", "b\n\n")):
        found = encoder.encode_pair_template(query, document, ChatPairTemplate(template=template), PLAIN, instruction)
        assert list(found.token_ids) == reference(query, document, instruction, 400)


@pytest.mark.parametrize("seed", range(5))
def test_truncation_equals_sentence_transformers(
    encoder: TextEncoder, template: str, reference: Callable[..., list[int]], seed: int, random_text: RandomText
) -> None:
    rng = random.Random(seed)
    query, document = random_text(rng, rng.choice([20, 400])), random_text(rng, 3000)
    for count in (200, 201, 390):
        options = TokenizationOptions(truncate_prompt_tokens=count)
        found = encoder.encode_pair_template(query, document, ChatPairTemplate(template=template), options)
        assert list(found.token_ids) == reference(query, document, None, count)
        assert found.truncated_tokens > 0


def test_a_default_instruction_gives_way_to_the_callers(encoder: TextEncoder) -> None:
    plain, own = (
        ChatPairTemplate(template=QWEN_RERANKER),
        ChatPairTemplate(template=QWEN_RERANKER, default_instruction="Find cats."),
    )

    def ids(template: ChatPairTemplate, instruction: str | None, chat: ChatOptions | None = None) -> tuple[int, ...]:
        options = TokenizationOptions(chat=chat)
        return encoder.encode_pair_template(QUERY, DOCUMENT, template, options, instruction).token_ids

    birds = ids(plain, "Find birds.")
    assert ids(own, None) == ids(plain, "Find cats.")
    assert ids(own, "Find birds.") == birds
    assert ids(own, None, ChatOptions(instruction="Find birds.")) == birds
    assert ids(own, None, ChatOptions(kwargs={"instruction": "Find birds."})) == birds
    assert ids(plain, None) not in (birds, ids(own, None))


def test_the_instruction_is_a_variable_of_the_template_too(encoder: TextEncoder) -> None:
    text = "{{ instruction | default('none') }}: {{ messages[-2].content }} / {{ messages[-1].content }} / {{ more }}"
    template = ChatPairTemplate(template=text)
    options = TokenizationOptions(chat=ChatOptions(kwargs={"more": "7"}))
    found = encoder.encode_pair_template("a", "b", template, options, "judge")
    assert list(found.token_ids) == encoder._content.whole("judge: a / b / 7")
    without = encoder.encode_pair_template("a", "b", template, PLAIN)
    assert list(without.token_ids) == encoder._content.whole("none: a / b / ")


def test_special_tokens_are_added_only_on_demand(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(open_checkpoint(str(build_checkpoint("qwen3", tmp_path))))
    encoder, template = TextEncoder(tokenizer, max_tokens=400), ChatPairTemplate(template=ZERANK)
    plain = encoder.encode_pair_template(QUERY, DOCUMENT, template, PLAIN).token_ids
    on_demand = TokenizationOptions(add_special_tokens=True)
    assert encoder.encode_pair_template(QUERY, DOCUMENT, template, on_demand).token_ids == (
        *plain,
        tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    )


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "query"),
        ("{{ messages[0].content }}", "document"),
    ],
)
def test_a_template_that_leaves_a_side_out_is_refused(encoder: TextEncoder, text: str, role: str) -> None:
    with pytest.raises(InvalidRequest, match=f"leaves out the text of the role '{role}'") as caught:
        encoder.encode_pair_template(QUERY, DOCUMENT, ChatPairTemplate(template=text), PLAIN)
    assert caught.value.param == "chat_template"


def test_a_template_may_change_the_texts(encoder: TextEncoder) -> None:
    template = ChatPairTemplate(template="{{ messages[0].content | upper }}/{{ messages[1].content | upper }}")
    found = encoder.encode_pair_template("ab", "cd", template, PLAIN)
    assert list(found.token_ids) == encoder._content.whole("AB/CD")


def test_a_template_that_reads_parts_only_gets_parts(encoder: TextEncoder) -> None:
    text = "{% for m in messages %}{% for part in m.content %}{{ part.text }};{% endfor %}{% endfor %}"
    found = encoder.encode_pair_template("ab", "cd", ChatPairTemplate(template=text), PLAIN)
    assert list(found.token_ids) == encoder._content.whole("ab;cd;")


def test_limits_are_checked(encoder: TextEncoder, template: str) -> None:
    chosen = ChatPairTemplate(template=template)
    with pytest.raises(PromptTooLong, match="at most 400"):
        encoder.encode_pair_template(QUERY, DOCUMENT * 500, chosen, PLAIN)
    with pytest.raises(InvalidRequest, match="template of this model alone has") as caught:
        encoder.encode_pair_template(QUERY, DOCUMENT, chosen, TokenizationOptions(truncate_prompt_tokens=5))
    assert caught.value.param == "truncate_prompt_tokens"
    left = TokenizationOptions(truncate_prompt_tokens=90, truncation_side="left")
    with pytest.raises(InvalidRequest, match="cut at the end"):
        encoder.encode_pair_template(QUERY, DOCUMENT, chosen, left)


def test_without_any_template_the_request_is_refused(encoder: TextEncoder) -> None:
    with pytest.raises(InvalidRequest, match="no chat template"):
        encoder.encode_pair_template(QUERY, DOCUMENT, ChatPairTemplate(), PLAIN)
