"""`/classify`: labels and probabilities as the engine computes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingParams, Prompt

URL = "/classify"
TEXTS = ["a good day", "a bad one, all in all"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncLLM]:
    folder = build_checkpoint("bert_classifier", tmp_path_factory.mktemp("classifier"))
    engine = AsyncLLM(str(folder), served_model_name="mood")
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def moods(classifier: AsyncLLM, start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=classifier, names=("mood",)) as running:
        with httpx.Client(base_url=running.url) as client:
            yield client


def _post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def _computed(engine: AsyncLLM, prompts: list[Prompt], **params: Any) -> list[list[float]]:
    outputs = asyncio.run(engine.run(prompts, task="classify", params=PoolingParams(**params)))
    return [output.outputs.data.tolist() for output in outputs]


def test_every_field_of_the_answer_is_as_the_contract_says(moods: httpx.Client, classifier: AsyncLLM) -> None:
    answer = _post(moods, input=TEXTS, request_id="r1")
    assert list(answer) == ["id", "object", "created", "model", "data", "usage"]
    assert (answer["id"], answer["object"], answer["model"]) == ("classify-r1", "list", "mood")
    expected = _computed(classifier, [Prompt(text=text) for text in TEXTS])
    for index, (entry, probs) in enumerate(zip(answer["data"], expected, strict=True)):
        assert list(entry) == ["index", "label", "probs", "num_classes"]
        assert (entry["index"], entry["num_classes"]) == (index, 3)
        assert entry["probs"] == pytest.approx(probs, abs=1e-6)
        assert entry["label"] == ("negative", "neutral", "positive")[probs.index(max(probs))]
    usage = answer["usage"]
    assert usage["prompt_tokens"] == usage["total_tokens"] > 0
    assert (usage["completion_tokens"], usage["truncated_tokens"]) == (0, 0)


def test_without_activation_the_numbers_are_logits(moods: httpx.Client, classifier: AsyncLLM) -> None:
    found = _post(moods, input=TEXTS[0], use_activation=False)["data"][0]["probs"]
    assert found == pytest.approx(_computed(classifier, [Prompt(text=TEXTS[0])], use_activation=False)[0], abs=1e-5)
    assert sum(_post(moods, input=TEXTS[0])["data"][0]["probs"]) == pytest.approx(1, abs=1e-6)


def test_pairs_and_token_ids_are_classified_too(moods: httpx.Client, classifier: AsyncLLM) -> None:
    pair = {"text": TEXTS[0], "text_pair": TEXTS[1]}
    expected = _computed(classifier, [Prompt(text=TEXTS[0], text_pair=TEXTS[1])])[0]
    assert _post(moods, input=pair)["data"][0]["probs"] == pytest.approx(expected, abs=1e-6)
    assert _post(moods, input=[[2, 7, 3], [2, 9, 3]])["data"][1]["index"] == 1


def test_a_conversation_goes_through_the_models_template(classifier: AsyncLLM, start_server: Any) -> None:
    with start_server(engine=classifier, trust_request_chat_template=True) as running:
        with httpx.Client(base_url=running.url) as client:
            template = "{{ messages[0]['content'] }}"
            messages = [{"role": "user", "content": TEXTS[0]}]
            chat = _post(client, messages=messages, chat_template=template, add_special_tokens=True)
            assert chat["data"] == _post(client, input=TEXTS[0])["data"]


def test_one_wrong_input_fails_alone_where_asked(moods: httpx.Client) -> None:
    body = {"input": [TEXTS[0], "word " * 5000, TEXTS[1]], "on_error": "item"}
    good, bad, other = _post(moods, **body)["data"]
    assert set(bad) == {"index", "error"}
    assert bad["error"]["type"] == "BadRequestError"
    assert bad["error"]["param"] == "input_tokens"
    assert (good["index"], bad["index"], other["index"]) == (0, 1, 2)
    assert good["label"] is not None
    assert moods.post(URL, json={**body, "on_error": "raise"}).status_code == 400


def test_a_label_that_the_config_does_not_name_is_null(start_server: Any, tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config.update(num_labels=len(config.pop("id2label")))
    config.pop("label2id", None)
    (folder / "config.json").write_text(json.dumps(config))
    engine = AsyncLLM(str(folder))
    with start_server(engine=engine, names=("plain",)) as running:
        entry = httpx.post(running.url + URL, json={"input": "a"}).json()["data"][0]
        assert entry["label"] is None
        assert entry["num_classes"] == 3
    asyncio.run(engine.shutdown())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": "a", "messages": [{"role": "user", "content": "a"}]}, "messages"),
        ({"input": []}, "body.ClassificationRequest.input"),
        ({"input": "a", "use_activation": 1}, "body.ClassificationRequest.use_activation"),
        ({"input": "a", "softmax": False}, "softmax"),
        ({"input": "a", "task": "score"}, "task"),
        ({"input": "a", "lora": 5}, "body.ClassificationRequest.lora"),
    ],
)
def test_a_wrong_body_is_400_with_the_field_named(moods: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = moods.post(URL, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_model_without_labels_is_501_and_a_server_without_any_has_no_such_route(
    classifier: AsyncLLM, engine: AsyncLLM, start_server: Any, client: httpx.Client
) -> None:
    assert client.post(URL, json={"input": "a"}).status_code == 404
    with start_server(engine={"mood": classifier, "vectors": engine}) as running:
        answer = httpx.post(running.url + URL, json={"input": "a", "model": "vectors"})
        assert answer.status_code == 501
        assert answer.json()["error"]["type"] == "NotImplementedError"
        assert httpx.post(running.url + URL, json={"input": "a"}).json()["model"] == "mood"
