"""`/tokenize`, `/detokenize` and `/tokenizer_info` over raw HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoTokenizer

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

CHAT = [{"role": "user", "content": "Is it deep?"}, {"role": "assistant", "content": "Some are."}]
TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}{% if tools %}tools {% endif %}"
TEMPLATE += "{% if add_generation_prompt %}go{% endif %}"
TEXTS = ("What is a CENOTE?", "Überraschung 深い", " x ", "query: cats")


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    """An embedder with a stored default prompt, lower-casing of its own, and a chat template of the server's."""
    folder = build_checkpoint("roberta", tmp_path_factory.mktemp("r"), sentence_transformers=True)
    _edit(folder / "config_sentence_transformers.json", prompts={"query": "q: "}, default_prompt_name="query")
    _edit(folder / "sentence_bert_config.json", do_lower_case=True)
    engine = AsyncLLM(str(folder), served_model_name="chatty", chat_template=TEMPLATE)
    options = {"names": ("chatty", "other"), "enable_tokenizer_info_endpoint": True}
    with start_server(engine=engine, **options) as running, httpx.Client(base_url=running.url) as client:
        yield client
    asyncio.run(engine.shutdown())


def _edit(path: Path, **entries: Any) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **entries}))


def _post(client: httpx.Client, url: str, **body: Any) -> dict[str, Any]:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _refusal(client: httpx.Client, url: str, status: int = 400, **body: Any) -> dict[str, Any]:
    answer = client.post(url, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]  # type: ignore[no-any-return]


def _vector(client: httpx.Client, value: Any) -> list[float]:
    found: list[float] = _post(client, "/v1/embeddings", input=value)["data"][0]["embedding"]
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_that_embeddings_use(client: httpx.Client, text: str) -> None:
    answer = _post(client, "/tokenize", prompt=text)
    assert answer["count"] == len(answer["tokens"])
    assert answer["count"] == _post(client, "/v1/embeddings", input=text)["usage"]["prompt_tokens"]
    assert _vector(client, answer["tokens"]) == _vector(client, text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_stored_prompt_and_lower_casing_count_as_in_embeddings(chatty: httpx.Client, text: str) -> None:
    answer = _post(chatty, "/tokenize", prompt=text)
    assert _vector(chatty, answer["tokens"]) == _vector(chatty, text)
    lower = _post(chatty, "/tokenize", prompt=text.lower())
    assert lower["tokens"] == answer["tokens"]
    places = {place for span in answer["offsets"] if span is not None for place in range(*span)}
    assert {place for place, char in enumerate(text) if char != " "} <= places <= set(range(len(text)))


def test_ids_strings_and_offsets_are_the_tokenizers(client: httpx.Client, model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    for text in TEXTS:
        answer = _post(client, "/tokenize", prompt=text, return_token_strs=True)
        expected = tokenizer(text, return_offsets_mapping=True)
        assert answer["tokens"] == expected["input_ids"]
        assert answer["token_strs"] == tokenizer.convert_ids_to_tokens(expected["input_ids"])
        assert answer["offsets"] == [None, *map(list, expected["offset_mapping"][1:-1]), None]
        bare = _post(client, "/tokenize", prompt=text, add_special_tokens=False)
        assert bare["tokens"] == expected["input_ids"][1:-1]
        assert (bare["token_strs"], bare["max_model_len"]) == (None, 256)


def test_a_text_beyond_the_models_limit_is_tokenised_whole(client: httpx.Client) -> None:
    assert _post(client, "/tokenize", prompt="word " * 5000)["count"] == 5002


def test_an_empty_text_without_special_tokens_has_no_tokens(client: httpx.Client) -> None:
    answer = _post(client, "/tokenize", prompt="", add_special_tokens=False, return_token_strs=True)
    assert (answer["count"], answer["tokens"], answer["token_strs"], answer["offsets"]) == (0, [], [], [])


def test_more_characters_than_one_request_may_have_are_refused(client: httpx.Client) -> None:
    assert _refusal(client, "/tokenize", prompt="x" * 1_000_001)["param"] == "prompt"


def test_a_conversation_ends_with_the_assistants_opening_unless_told_otherwise(chatty: httpx.Client) -> None:
    whole = _post(chatty, "/tokenize", messages=CHAT)
    text = "<user> Is it deep? <assistant> Some are. go"
    assert whole["tokens"] == _post(chatty, "/tokenize", prompt=text, prompt_name=None)["tokens"][_prefix(chatty) : -1]
    assert whole["offsets"] is None
    short = _post(chatty, "/tokenize", messages=CHAT, add_generation_prompt=False)
    assert short["count"] < whole["count"]
    with_tools = _post(chatty, "/tokenize", messages=CHAT, tools=[{"type": "function"}], return_token_strs=True)
    assert with_tools["count"] > whole["count"]
    assert len(with_tools["token_strs"]) == with_tools["count"]
    around = _post(chatty, "/tokenize", messages=CHAT, add_special_tokens=True)
    assert around["count"] == whole["count"] + 2


def _prefix(client: httpx.Client) -> int:
    """Count the special token and the tokens of the stored prompt in front of a text that starts a word of its own."""
    offsets = _post(client, "/tokenize", prompt="<user> x")["offsets"]
    return next(place for place, span in enumerate(offsets) if span is not None)


def test_a_last_message_can_be_left_open(chatty: httpx.Client) -> None:
    answer = _post(chatty, "/tokenize", messages=CHAT, continue_final_message=True)
    assert answer["count"] < _post(chatty, "/tokenize", messages=CHAT)["count"]
    both = {"continue_final_message": True, "add_generation_prompt": True}
    assert _refusal(chatty, "/tokenize", messages=CHAT, **both)["param"] == "add_generation_prompt"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": CHAT}, "messages"),
        ({"prompt": "a", "inputs": "a"}, "inputs"),
        ({"prompt": ["a", "b"]}, "body.TokenizeTextRequest.prompt"),
        ({"prompt": "a", "add_special_tokens": "yes"}, "body.TokenizeTextRequest.add_special_tokens"),
        ({"prompt": "a", "prompt_name": "nothing"}, "prompt_name"),
        ({"prompt": "a", "input_type": "poem"}, "input_type"),
        ({"messages": []}, "messages"),
        ({"messages": CHAT, "chat_template": "{{ x }}"}, "chat_template"),
    ],
)
def test_bodies_of_a_wrong_form_are_refused(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    found = _refusal(client, "/tokenize", **body)
    assert (found["code"], found["param"]) == (400, param)


def test_a_model_without_a_template_reads_no_conversation(client: httpx.Client) -> None:
    assert _refusal(client, "/tokenize", messages=CHAT)["param"] == "messages"


@pytest.mark.parametrize(("url", "body"), [("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})])
def test_an_unknown_model_is_404_with_all_names(chatty: httpx.Client, url: str, body: dict[str, Any]) -> None:
    found = _refusal(chatty, url, 404, model="none", **body)
    assert (found["type"], found["param"]) == ("NotFoundError", "model")
    assert "chatty, other" in found["message"]


def test_detokenize_gives_the_text_back(client: httpx.Client) -> None:
    tokens = _post(client, "/tokenize", prompt="what is a cenote?")["tokens"]
    assert _post(client, "/detokenize", tokens=tokens) == {"prompt": "[CLS] what is a cenote? [SEP]"}
    assert _post(client, "/detokenize", tokens=[]) == {"prompt": ""}


@pytest.mark.parametrize(
    ("tokens", "param"),
    [
        ([-1], "body.DetokenizeRequest.tokens.0"),
        ([2**63], "body.DetokenizeRequest.tokens.0"),
        ([True], "body.DetokenizeRequest.tokens.0"),
        (["1"], "body.DetokenizeRequest.tokens.0"),
        ("1", "body.DetokenizeRequest.tokens"),
        ([2**63 - 1], "tokens"),
        ([30_522], "tokens"),
        ([1] * 1_000_001, "tokens"),
    ],
)
def test_ids_that_are_none_are_refused(client: httpx.Client, tokens: Any, param: str) -> None:
    assert _refusal(client, "/detokenize", tokens=tokens)["param"] == param


def test_settings_of_the_tokenizer_are_told_where_enabled_without_paths(
    client: httpx.Client, chatty: httpx.Client
) -> None:
    assert client.get("/tokenizer_info").status_code == 404
    answer = chatty.get("/tokenizer_info")
    assert answer.status_code == 200
    body = answer.json()
    assert body["tokenizer_class"].startswith("Roberta")
    assert body["chat_template"] == TEMPLATE
    assert body["mask_token"] == "<mask>"
    assert "/tmp" not in answer.text
    assert not {"name_or_path", "vocab_file", "tokenizer_file"} & body.keys()
    assert chatty.get("/tokenizer_info", params={"model": "none"}).status_code == 404
