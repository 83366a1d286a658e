"""`/score`: pairs of texts, in every way of scoring, as the engine scores them without HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import AsyncLLM
from cenote.registry import default_registry
from cenote.scoring import choose_scorer
from cenote.testing.checkpoints import build_checkpoint

QUERY = "What is a cenote?"
DOCUMENTS = ["A natural pit.", "A kind of bread, baked in the morning.", "Water is deep."]
MODELS = ["all-MiniLM-L6-v2", "pairs", "late", "judge"]
LONG = "word " * 600


def _post(client: httpx.Client, path: str = "/score", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def _refusal(client: httpx.Client, status: int = 400, **body: Any) -> dict[str, Any]:
    answer = client.post("/score", json=body)
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def _scores(answer: dict[str, Any]) -> list[float]:
    return [item["score"] for item in answer["data"]]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", ["/score", "/v1/score"])
def test_every_way_of_scoring_gives_the_engines_numbers(scoring: Any, model: str, path: str) -> None:
    answer = _post(scoring.client, path, model=model, queries=QUERY, documents=DOCUMENTS, request_id="mine")
    assert np.abs(np.subtract(_scores(answer), scoring.scores(model, QUERY, DOCUMENTS))).max() < 1e-5
    assert (answer["id"], answer["object"], answer["model"]) == ("score-mine", "list", model)
    assert [(item["index"], item["object"]) for item in answer["data"]] == [(at, "score") for at in range(3)]


@pytest.mark.parametrize(
    ("left", "right"), [("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2")]
)
def test_all_pairs_of_keys_and_all_forms_of_texts_mean_the_same(client: httpx.Client, left: str, right: str) -> None:
    expected = _scores(_post(client, queries=QUERY, documents=DOCUMENTS[:2]))
    parts = {"content": [{"type": "text", "text": DOCUMENTS[0]}]}
    for query in (QUERY, [QUERY], {"text": QUERY}, {"content": [{"type": "text", "text": QUERY}]}):
        body = {left: query, right: [parts, {"text": DOCUMENTS[1]}]}
        assert _scores(_post(client, **body)) == pytest.approx(expected, abs=1e-5)
    assert _scores(_post(client, **{left: QUERY, right: parts})) == pytest.approx(expected[:1], abs=1e-5)


def test_as_many_queries_as_documents_are_scored_one_by_one(scoring: Any) -> None:
    queries = ["What is deep?", "What is baked?", QUERY]
    for model in MODELS:
        found = _scores(_post(scoring.client, model=model, data_1=queries, data_2=DOCUMENTS))
        assert found == pytest.approx(scoring.scores(model, queries, DOCUMENTS), abs=1e-5)


def test_scores_are_mixed_by_weights_and_each_text_is_counted_once(scoring: Any) -> None:
    body: dict[str, Any] = {"model": MODELS[0], "queries": QUERY, "documents": DOCUMENTS}
    dense, colbert, mixed, alike = (
        _post(scoring.client, **body, **more)
        for more in (
            {"score_type": "dense"},
            {"score_type": "colbert"},
            {"score_type": "colbert+dense", "weights": [3, 1]},
            {"score_type": "dense+colbert"},
        )
    )
    assert mixed["usage"] == dense["usage"] == colbert["usage"]
    parts = np.array([_scores(dense), _scores(colbert)])
    assert _scores(mixed) == pytest.approx((np.array([3, 1]) @ parts / 4).tolist(), abs=1e-5)
    assert _scores(alike) == pytest.approx(parts.mean(axis=0).tolist(), abs=1e-5)


def test_a_query_that_is_read_once_is_counted_once(scoring: Any) -> None:
    def tokens(text: str) -> int:
        answer = scoring.client.post("/v1/embeddings", json={"input": text})
        return int(answer.json()["usage"]["prompt_tokens"])

    apart = tokens(QUERY) + sum(map(tokens, DOCUMENTS))
    usage = _post(scoring.client, queries=QUERY, documents=DOCUMENTS)["usage"]
    assert usage["prompt_tokens"] == usage["total_tokens"] == apart
    assert {"completion_tokens": 0, "truncated_tokens": 0}.items() <= usage.items()
    zipped = _post(scoring.client, queries=[QUERY] * 3, documents=DOCUMENTS)["usage"]["prompt_tokens"]
    assert zipped == apart + 2 * tokens(QUERY)
    pairs = [{"text": QUERY, "text_pair": document} for document in DOCUMENTS]
    joint = scoring.client.post("/pooling", json={"model": "pairs", "input": pairs}).json()["usage"]["prompt_tokens"]
    assert _post(scoring.client, model="pairs", queries=QUERY, documents=DOCUMENTS)["usage"]["prompt_tokens"] == joint


def test_the_metrics_count_pairs_and_what_was_read(scoring: Any) -> None:
    def counted(name: str) -> float:
        lines = scoring.client.get("/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith(f"cenote:{name}_total{{") and '"late"' in line]
        return float(line.rpartition(" ")[2])

    body = {"model": "late", "queries": QUERY, "documents": DOCUMENTS}
    tokens = _post(scoring.client, **body)["usage"]["prompt_tokens"]
    before = counted("prompt_tokens"), counted("pairs")
    _post(scoring.client, **body)
    assert (counted("prompt_tokens") - before[0], counted("pairs") - before[1]) == (tokens, 3)


def test_the_way_of_scoring_can_be_chosen(scoring: Any) -> None:
    found = _scores(_post(scoring.client, queries=QUERY, documents=DOCUMENTS, score_type="colbert"))
    expected = scoring.scores("all-MiniLM-L6-v2", QUERY, DOCUMENTS, score_type="colbert")
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(found) > 1


def test_stored_prompts_come_in_front_only_where_asked_for(scoring: Any) -> None:
    body = {"model": "asking", "queries": QUERY, "documents": DOCUMENTS}
    plain = _scores(_post(scoring.client, **body, input_type="query"))
    assert plain == pytest.approx(scoring.scores("asking", QUERY, DOCUMENTS), abs=1e-5)
    asked = _scores(_post(scoring.client, **body, use_prompts=True))
    assert asked == pytest.approx(scoring.scores("asking", QUERY, DOCUMENTS, use_prompts=True), abs=1e-5)
    assert asked != pytest.approx(plain, abs=1e-4)
    refusal = _refusal(scoring.client, **{**body, "model": "pairs"}, use_prompts=True)
    assert refusal["param"] == "use_prompts"


def test_activation_and_instruction_reach_the_model(scoring: Any) -> None:
    on, off = (
        _scores(_post(scoring.client, model="pairs", queries=QUERY, documents=DOCUMENTS, use_activation=flag))
        for flag in (True, False)
    )
    assert on == pytest.approx(1 / (1 + np.exp(-np.float64(off))), abs=1e-5)
    body = {"model": "judge", "queries": QUERY, "documents": DOCUMENTS}
    plain = _scores(_post(scoring.client, **body))
    named = _scores(_post(scoring.client, **body, instruction="Prefer bread."))
    variable = {"instruction": "Prefer bread."}
    assert named == _scores(_post(scoring.client, **body, instruction="other", chat_template_kwargs=variable))
    assert named != plain


def test_each_side_is_cut_by_its_own_limit_or_both_by_truncation(scoring: Any) -> None:
    client = scoring.client
    cut = _post(client, queries=QUERY, documents=[LONG], max_tokens_per_doc=3)
    assert _scores(cut) == pytest.approx(_scores(_post(client, queries=QUERY, documents="word word word")), abs=1e-5)
    assert cut["usage"]["truncated_tokens"] > 0
    short = _scores(_post(client, queries=LONG, documents="a", max_tokens_per_query=2))
    assert short == pytest.approx(_scores(_post(client, queries="word word", documents="a")), abs=1e-5)
    for side in ("left", "right", None):
        answer = _post(client, queries="a", documents=LONG, truncate_prompt_tokens=-1, truncation_side=side)
        assert answer["usage"]["truncated_tokens"] > 0
        assert answer["usage"]["prompt_tokens"] == 3 + 256


def test_one_document_may_fail_alone(scoring: Any) -> None:
    for model in ("all-MiniLM-L6-v2", "pairs", "late"):
        body = {"model": model, "text_1": QUERY, "text_2": [DOCUMENTS[0], LONG, DOCUMENTS[2]]}
        first, failed, last = _post(scoring.client, **body, on_error="item")["data"]
        expected = scoring.scores(model, QUERY, [DOCUMENTS[0], DOCUMENTS[2]])
        assert [first["score"], last["score"]] == pytest.approx(expected, abs=1e-5)
        assert set(failed) == {"index", "object", "error"}
        assert failed["error"]["message"].startswith("text_2[1]: The prompt has ")
        assert {"type": "BadRequestError", "param": "input_tokens", "code": 400}.items() <= failed["error"].items()
        assert _refusal(scoring.client, **body)["message"] == failed["error"]["message"]


def test_failures_on_every_side_leave_the_other_pairs_their_scores(scoring: Any) -> None:
    queries, documents = [LONG, "a", "b", LONG], ["c", LONG, "d", LONG]
    data = _post(scoring.client, queries=queries, documents=documents, on_error="item")["data"]
    assert ["error" in item for item in data] == [True, True, False, True]
    assert data[2]["score"] == pytest.approx(scoring.scores("all-MiniLM-L6-v2", "b", "d")[0], abs=1e-5)
    alone = _post(scoring.client, queries=[LONG], documents=["c", "d"], on_error="item")["data"]
    assert ["error" in item for item in alone] == [True, True]


IMAGE = {"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "queries", "The body has none of the keys"),
        ({"queries": "a"}, "queries", "The body has queries; send exactly one"),
        ({"queries": "a", "documents": "b", "items": "c"}, "queries", "queries and documents and items"),
        ({"queries": "a", "data_2": "b"}, "queries", "queries and data_2"),
        ({"text_1": "a", "data_2": "b"}, "data_2", "data_2 and text_1"),
        ({"queries": "a", "documents": None}, "queries", "The body has queries;"),
        ({"queries": [], "documents": "b"}, "queries", "queries is empty"),
        ({"queries": "a", "items": []}, "items", "items is empty"),
        ({"text_1": ["a", "b"], "text_2": ["c"] * 3}, "text_1", "2 queries cannot be paired with 3 documents"),
        ({"queries": ["a", "b"], "documents": ["c"]}, "queries", "2 queries"),
        ({"queries": 5, "documents": "b"}, "queries", "must be a text or a list of texts"),
        ({"queries": "a", "documents": ["b", 5]}, "documents", "documents[1] must be a text"),
        ({"queries": "a", "documents": [["b"]]}, "documents", "documents[0]"),
        ({"queries": "a", "documents": {"image": "b"}}, "documents", "reads text only"),
        ({"data_1": [IMAGE], "data_2": "b"}, "data_1", "reads text only"),
        ({"score_type": "nonsense"}, "score_type", "nonsense"),
        ({"score_type": "cross-encoder"}, "score_type", "needs the task 'score'"),
        ({"weights": [0.5, 0.5]}, "weights", "score_type 'dense' is one"),
        ({"weights": [1], "score_type": "colbert+dense"}, "weights", "1 weights for 2 scores"),
        ({"weights": [0, 0], "score_type": "colbert+dense"}, "weights", "a sum above 0"),
        ({"weights": ["1", "1"]}, "body.ScoreRequest.weights.0", "valid number"),
        ({"score_type": "sparse+dense"}, "score_type", "'sparse' needs the task 'sparse_embed'"),
        ({"score_type": "dense+nonsense"}, "score_type", "nonsense"),
        ({"instruction": "judge"}, "instruction", "reads each text alone"),
        ({"chat_template_kwargs": {"tools": []}}, "chat_template_kwargs", "tools"),
        ({"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs", "tokenize"),
        ({"chat_template_kwargs": {"chat_template": ""}}, "chat_template_kwargs", "chat_template"),
        ({"chat_template_kwargs": {"instruction": 5}}, "chat_template_kwargs", "must be a text"),
        ({"input_type": "nonsense"}, "input_type", "must be one of"),
        ({"truncate_prompt_tokens": 257}, "truncate_prompt_tokens", "at most 256"),
        ({"max_tokens_per_doc": 256}, "max_tokens_per_doc", "below the 256 tokens"),
        ({"max_tokens_per_query": -1}, "body.ScoreRequest.max_tokens_per_query", "greater than or equal to 0"),
        ({"use_prompts": "yes"}, "body.ScoreRequest.use_prompts", "boolean"),
        ({"task": "score"}, "task", "removed"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_field_named(
    client: httpx.Client, body: dict[str, Any], param: str, message: str
) -> None:
    sides = {"queries", "documents", "items", "data_1", "data_2", "text_1", "text_2"} & set(body)
    error = _refusal(client, **({} if sides or not body else {"queries": "a", "documents": "b"}), **body)
    assert error["param"] == param
    assert message in error["message"]
    assert error["type"] in ("Bad Request", "BadRequestError")


def test_a_model_that_cannot_score_is_501_and_an_unknown_one_404(scoring: Any) -> None:
    error = _refusal(scoring.client, 501, model="labels", queries="a", documents="b")
    assert (error["type"], error["param"]) == ("NotImplementedError", None)
    assert "labels" in error["message"]
    assert _refusal(scoring.client, 404, model="nobody", queries="a", documents="b")["type"] == "NotFoundError"
    assert _refusal(scoring.client, 404, queries="a", documents="b", lora="nobody")["type"] == "NotFoundError"


def test_a_model_whose_files_name_an_unknown_similarity_cannot_score_by_itself(
    scoring: Any, start_server: Any, tmp_path: Path
) -> None:
    folder = build_checkpoint("splade", tmp_path / "odd")
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"similarity_fn_name": "telepathy"}))
    odd = AsyncLLM(str(folder))
    body: dict[str, Any] = {"queries": QUERY, "documents": DOCUMENTS}
    try:
        with start_server(engine={"odd": odd, "pairs": scoring.engines["pairs"]}) as running:
            with httpx.Client(base_url=running.url, timeout=60) as client:
                assert "telepathy" in _refusal(client, 501, model="odd", **body)["message"]
                assert "telepathy" in _refusal(client, model="odd", score_type="sparse+dense", **body)["message"]
                assert _post(client, **body)["model"] == "pairs"  # the first model that can
                assert _post(client, score_type="dense", **body)["model"] == "odd"
    finally:
        asyncio.run(odd.shutdown())


def test_a_server_that_cannot_score_has_no_such_route(scoring: Any, start_server: Any) -> None:
    with start_server(engine=scoring.engines["labels"], names=("labels",)) as running:
        for path in ("/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank"):
            assert httpx.post(f"{running.url}{path}", json={"queries": "a", "documents": "b"}).status_code == 404


def test_no_more_texts_than_the_operator_allows(start_server: Any) -> None:
    with start_server(max_items_per_request=2) as running, httpx.Client(base_url=running.url) as small:
        assert _refusal(small, queries="a", documents=["b"] * 3)["param"] == "documents"
        assert len(_post(small, queries="a", items=["b"] * 2)["data"]) == 2


def test_the_route_is_described_with_an_example_that_works(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/score"]["post"]
    content = described["requestBody"]["content"]["application/json"]
    (example,) = content["examples"].values()
    assert len(_post(client, **example["value"])["data"]) == 2
    assert "200" in described["responses"]


class _Leaves:
    task = "embed"
    by_role = False

    def inputs(self, queries: Any, documents: Any, pairs: Any) -> Any:
        return choose_scorer("dense", ("embed",), "embed").inputs(queries, documents, pairs)

    def scores(self, results: Any, queries: int, pairs: Any) -> Any:
        raise SystemExit(3)


def test_a_scorer_that_exits_is_named_and_the_server_goes_on(scoring: Any) -> None:
    undo = default_registry().register("cenote.scorers", "leaves", _Leaves(), distribution="acme", version="1.2")
    try:
        error = _refusal(scoring.client, 500, model=MODELS[0], queries=QUERY, documents=DOCUMENTS, score_type="leaves")
    finally:
        undo()
    assert error["message"] == "The scorer 'leaves' of acme 1.2 failed (SystemExit)."
    assert _post(scoring.client, model=MODELS[0], queries=QUERY, documents=DOCUMENTS)["data"]
