"""How a model reads two texts: which template wins, and what happens without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_checkpoint

PAIR = {"text": "one two", "text_pair": "three"}
ROLES = (
    "{%- for message in messages if message.role == 'query' -%}Q {{ message.content }} {% endfor -%}"
    "{%- for message in messages if message.role == 'document' -%}D {{ message.content }}{% endfor -%}"
)
PLAIN = "{%- for message in messages -%}{{ message.role }}: {{ message.content }}\n{%- endfor -%}"


def _ids(folder: Path, prompt: Any = PAIR, **options: Any) -> list[int]:
    with LLM(str(folder), **options) as llm:
        return list(llm.classify(prompt, use_tqdm=False)[0].prompt_token_ids)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return build_checkpoint("bert_classifier", tmp_path)


def test_without_a_template_the_tokenizer_encodes_pairs(bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    assert _ids(bert) == tokenizer("one two", "three").input_ids


@pytest.mark.parametrize("key", ["use_sep_token", "use_pad_token"])
def test_the_config_may_ask_for_one_joined_text(bert: Path, key: str, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    assert _ids(bert, hf_overrides={key: False}) == tokenizer("one twothree").input_ids
    assert ("older name of use_sep_token" in caplog.text) == (key == "use_pad_token")


def test_the_users_template_wins(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker_classifier", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    filled = tokenizer("Q one two D three", add_special_tokens=False).input_ids
    assert _ids(folder) != filled
    assert _ids(folder, chat_template=ROLES) == filled


def test_a_template_without_the_two_roles_is_for_conversations_only(bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    assert _ids(bert, chat_template=PLAIN) == tokenizer("one two", "three").input_ids
    chat = {"messages": [{"role": "user", "content": "one two"}]}
    assert _ids(bert, chat, chat_template=PLAIN) == tokenizer("user: one two\n", add_special_tokens=False).input_ids


def test_vllm_leaves_the_checkpoints_own_template_alone(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker_classifier", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert _ids(folder, compat="vllm") == tokenizer("one two", "three").input_ids
    assert _ids(folder, compat="vllm", chat_template=ROLES) == _ids(folder, chat_template=ROLES)


def test_a_template_of_the_request_wins_over_everything(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker_classifier", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with LLM(str(folder), chat_template="{{ 'x' }}{# 'query' 'document' #}") as llm:
        (output,) = llm.score("one two", "three", chat_template=ROLES, use_tqdm=False)
    assert output.prompt_token_ids == tokenizer("Q one two D three", add_special_tokens=False).input_ids


def test_segment_ids_of_pairs_reach_the_model(bert: Path) -> None:
    with LLM(str(bert)) as llm:
        (pair,) = llm.classify(PAIR, use_tqdm=False)
        ids = pair.prompt_token_ids
        types = AutoTokenizer.from_pretrained(bert)("one two", "three").token_type_ids
        (same,) = llm.classify({"prompt_token_ids": ids, "token_type_ids": types}, use_tqdm=False)
        (other,) = llm.classify({"prompt_token_ids": ids}, use_tqdm=False)
    assert same.outputs.probs == pair.outputs.probs
    assert other.outputs.probs != pair.outputs.probs


def test_an_embedder_has_no_use_for_a_pair(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with LLM(str(folder)) as llm, pytest.raises(InvalidRequest, match="one text at a time") as caught:
        llm.embed(PAIR, use_tqdm=False)
    assert caught.value.param == "text_pair"
