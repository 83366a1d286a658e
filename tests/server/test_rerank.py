"""`/rerank`, `/v1/rerank`, `/v2/rerank`: one body and one answer for the clients of vLLM, Cohere, Jina and Voyage."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

QUERY = "What is a cenote?"
DOCUMENTS = ["Bread is baked.", "A cenote is a natural pit.", "Water is deep.", "A natural pit."]
PATHS = ["/rerank", "/v1/rerank", "/v2/rerank"]
LONG = "word " * 600


def _post(client: httpx.Client, path: str = "/rerank", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json={"query": QUERY, "documents": DOCUMENTS, **body})
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def _refusal(client: httpx.Client, status: int = 400, **body: Any) -> dict[str, Any]:
    answer = client.post("/rerank", json={"query": QUERY, "documents": DOCUMENTS, **body})
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def _order(answer: dict[str, Any]) -> list[int]:
    return [item["index"] for item in answer["results"]]


@pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "pairs", "late", "judge"])
def test_documents_come_best_first_with_the_engines_scores(scoring: Any, model: str) -> None:
    scores = scoring.scores(model, QUERY, DOCUMENTS)
    best = sorted(range(len(DOCUMENTS)), key=lambda at: -scores[at])
    for path in PATHS:
        answer = _post(scoring.client, path, model=model)
        assert _order(answer) == best
        found = [item["relevance_score"] for item in answer["results"]]
        assert found == pytest.approx([scores[at] for at in best], abs=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_documents_are_ranked_by_a_mix_of_scores(scoring: Any, path: str) -> None:
    mix = {"score_type": "colbert+dense", "weights": [0.25, 0.75]}
    scores = scoring.scores("all-MiniLM-L6-v2", QUERY, DOCUMENTS, **mix)
    answer = _post(scoring.client, path, **mix)
    found = {item["index"]: item["relevance_score"] for item in answer["results"]}
    assert found == pytest.approx(dict(enumerate(scores)), abs=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert _refusal(scoring.client, weights=[1])["param"] == "weights"


@pytest.mark.parametrize(("path", "version"), [("/rerank", "2"), ("/v1/rerank", "1"), ("/v2/rerank", "2")])
def test_one_answer_has_what_every_client_reads(client: httpx.Client, path: str, version: str) -> None:
    answer = _post(client, path, request_id="mine", top_n=1)
    tokens = client.post("/score", json={"queries": QUERY, "documents": DOCUMENTS}).json()["usage"]["prompt_tokens"]
    (result,) = answer.pop("results")
    assert result.pop("relevance_score") > 0.5
    assert result == {"index": 1, "document": {"text": DOCUMENTS[1], "multi_modal": None}}
    assert answer.pop("data")[0]["index"] == 1
    assert answer == {
        "id": "score-mine",
        "object": "list",
        "model": "all-MiniLM-L6-v2",
        "meta": {
            "api_version": {"version": version},
            "billed_units": {"search_units": 1},
            "tokens": {"input_tokens": tokens, "output_tokens": 0},
        },
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "truncated_tokens": 0},
    }


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 4),
        ({"top_n": 2}, 2),
        ({"top_k": 3}, 3),
        ({"top_n": 2, "top_k": 2}, 2),
        ({"top_n": 0}, 4),
        ({"top_n": None, "top_k": None}, 4),
        ({"top_n": 99}, 4),
    ],
)
def test_so_many_results_as_asked_for(client: httpx.Client, options: dict[str, Any], count: int) -> None:
    answer = _post(client, **options)
    assert len(answer["results"]) == count
    assert answer["data"] == answer["results"]
    assert _order(answer) == _order(_post(client))[:count]


def test_equal_scores_keep_the_order_that_was_given(client: httpx.Client) -> None:
    documents = ["the same", "another", "the same", "the same"]
    order = _order(_post(client, documents=documents))
    assert [at for at in order if at != 1] == [0, 2, 3]


def test_nulls_stand_for_defaults(client: httpx.Client) -> None:
    names = ("model", "top_n", "top_k", "return_documents", "rank_fields", "max_chunks_per_doc", "max_tokens_per_doc")
    plain, nulls = _post(client), _post(client, **dict.fromkeys((*names, "truncation", "user", "use_activation")))
    assert nulls["results"] == plain["results"]


def test_documents_are_left_out_on_request(client: httpx.Client) -> None:
    for item in _post(client, return_documents=False)["results"]:
        assert set(item) == {"index", "relevance_score"}


def test_documents_and_the_query_come_in_the_forms_of_every_client(scoring: Any) -> None:
    parts = [{"type": "text", "text": "Water"}, {"type": "text", "text": "is deep."}]
    documents = ["Bread is baked.", {"text": "A natural pit.", "id": 7}, {"content": parts}, {"content": "It rains."}]
    texts = ["Bread is baked.", "A natural pit.", "Water\nis deep.", "It rains."]
    expected = scoring.scores("all-MiniLM-L6-v2", QUERY, texts)
    for query in (QUERY, {"text": QUERY}, {"content": [{"type": "text", "text": QUERY}]}):
        results = {item["index"]: item for item in _post(scoring.client, query=query, documents=documents)["results"]}
        assert [results[at]["relevance_score"] for at in range(4)] == pytest.approx(expected, abs=1e-5)
    assert [results[at]["document"] for at in range(4)] == [
        {"text": "Bread is baked.", "multi_modal": None},
        {"text": "A natural pit.", "id": 7, "multi_modal": None},
        {"text": None, "multi_modal": parts},
        {"text": "It rains.", "multi_modal": None},
    ]
    single = _post(scoring.client, documents={"text": "A natural pit."})["results"]
    assert single[0]["relevance_score"] == pytest.approx(expected[1], abs=1e-5)


def test_chosen_fields_of_objects_are_scored_in_their_order(scoring: Any) -> None:
    bread: dict[str, Any] = {"title": "Bread", "body": "It is baked.", "year": 1}
    cenote = {"body": "a pit", "title": "Cenote", "text": 5}
    documents = [bread, cenote, "A text"]
    answer = _post(scoring.client, "/v1/rerank", documents=documents, rank_fields=["title", "body"])
    found = {item["index"]: item for item in answer["results"]}
    expected = scoring.scores("all-MiniLM-L6-v2", QUERY, ["Bread\nIt is baked.", "Cenote\na pit", "A text"])
    assert [found[at]["relevance_score"] for at in range(3)] == pytest.approx(expected, abs=1e-5)
    assert found[0]["document"] == {**bread, "text": "Bread\nIt is baked.", "multi_modal": None}
    assert found[1]["document"] == {**cenote, "text": "Cenote\na pit", "multi_modal": None}


def test_chunks_of_documents_are_accepted_and_the_answer_says_that_there_are_none(client: httpx.Client) -> None:
    assert "warnings" not in _post(client, max_chunks_per_doc=1)["meta"]
    answer = _post(client, max_chunks_per_doc=10)
    assert answer["meta"]["warnings"] == ["max_chunks_per_doc is 10, but each document was read in one piece."]
    assert answer["results"] == _post(client)["results"]


def test_long_documents_are_refused_or_cut_as_asked(client: httpx.Client) -> None:
    documents = ["short", LONG]
    assert _refusal(client, documents=documents)["message"].startswith("documents[1]: The prompt has ")
    assert _refusal(client, documents=documents, truncation=False)["param"] == "input_tokens"
    for options in ({"truncation": True}, {"truncate_prompt_tokens": -1}, {"max_tokens_per_doc": 10}):
        answer = _post(client, documents=documents, **options)
        assert len(answer["results"]) == 2
        assert answer["usage"]["truncated_tokens"] > 0


def test_documents_that_fail_alone_are_told_apart_from_the_ranking(scoring: Any) -> None:
    for model in ("all-MiniLM-L6-v2", "pairs"):
        answer = _post(scoring.client, model=model, documents=["Bread.", LONG, QUERY], on_error="item")
        assert sorted(_order(answer)) == [0, 2]
        (failed,) = answer["errors"]
        assert failed["index"] == 1
        assert {"type": "BadRequestError", "param": "input_tokens", "code": 400}.items() <= failed["error"].items()
    all_failed = _post(scoring.client, query=LONG, on_error="item")
    assert all_failed["results"] == []
    assert len(all_failed["errors"]) == len(DOCUMENTS)


def test_a_hundred_documents_are_one_search_unit(client: httpx.Client) -> None:
    answer = _post(client, documents=["a"] * 101, top_n=1)
    assert answer["meta"]["billed_units"] == {"search_units": 2}


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"query": None}, "body.RerankRequest.query", "required"),
        ({"documents": None}, "body.RerankRequest.documents", "required"),
        ({"query": [QUERY]}, "query", "one text, not a list"),
        ({"query": 5}, "query", "query must be a text"),
        ({"query": {"image": "a.png"}}, "query", "reads text only"),
        ({"documents": []}, "documents", "documents is empty"),
        ({"documents": ["a", 5]}, "documents", "documents[1] must be a text or an object"),
        ({"documents": [["a"]]}, "documents", "documents[0]"),
        ({"documents": 5}, "documents", "documents[0]"),
        ({"documents": [{"title": "a"}]}, "documents", "an object with 'title'"),
        ({"documents": [{"image": "a.png"}]}, "documents", "reads text only"),
        ({"documents": [{"content": [{"type": "image_url"}]}]}, "image_url", "has no 'image_url'"),
        ({"documents": [{"a": "b"}, {"a": 1}], "rank_fields": ["a"]}, "documents", "documents[1] has another value"),
        ({"documents": [{"a": "b"}], "rank_fields": ["a", "c"]}, "documents", "the text 'c'"),
        ({"rank_fields": "a"}, "body.RerankRequest.rank_fields", "list"),
        ({"top_n": -1}, "body.RerankRequest.top_n", "greater than or equal to 0"),
        ({"top_n": True}, "body.RerankRequest.top_n", "integer"),
        ({"top_n": 1, "top_k": 2}, "top_k", "mean the same"),
        ({"max_chunks_per_doc": 0}, "body.RerankRequest.max_chunks_per_doc", "greater than or equal to 1"),
        ({"truncation": "yes"}, "body.RerankRequest.truncation", "boolean"),
        ({"truncation": False, "truncate_prompt_tokens": -1}, "truncation", "send one of them"),
        ({"max_tokens_per_doc": 4096}, "max_tokens_per_doc", "below the 256"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_field_named(
    client: httpx.Client, body: dict[str, Any], param: str, message: str
) -> None:
    error = _refusal(client, **body)
    assert error["param"] == param
    assert message in error["message"]


def test_a_document_that_cannot_be_repeated_is_refused(client: httpx.Client) -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    error = _refusal(client, documents=["a", {"text": "b", "more": deep}])
    assert (error["param"], error["message"]) == ("documents", "documents[1] is nested too deeply.")


def test_a_model_that_cannot_score_is_501(scoring: Any) -> None:
    for path in PATHS:
        answer = scoring.client.post(path, json={"model": "labels", "query": "a", "documents": ["b"]})
        assert answer.status_code == 501
        assert answer.json()["error"]["type"] == "NotImplementedError"


def test_a_document_that_is_too_long_is_refused_with_the_ways_to_cut_it(client: httpx.Client) -> None:
    body = {"query": QUERY, "documents": ["a", LONG]}
    for path in PATHS:
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_tokens")
        message = answer.json()["error"]["message"]
        assert "truncate_prompt_tokens=-1" in message
        assert "max_tokens_per_doc=N" in message
        for cut in ({"truncate_prompt_tokens": -1}, {"max_tokens_per_doc": 100}):
            assert client.post(path, json={**body, **cut}).status_code == 200
        (failed,) = client.post(path, json={**body, "on_error": "item"}).json()["errors"]
        assert "max_tokens_per_doc=N" in failed["error"]["message"]


def test_a_query_that_is_too_long_is_refused_with_the_way_to_cut_it(client: httpx.Client) -> None:
    body = {"query": LONG, "documents": ["a"]}
    answer = client.post("/rerank", json=body)
    assert answer.status_code == 400
    assert "max_tokens_per_query=N" in answer.json()["error"]["message"]
    assert client.post("/rerank", json={**body, "max_tokens_per_query": 100}).status_code == 200


def test_documents_and_texts_at_once_are_refused(client: httpx.Client) -> None:
    error = _refusal(client, texts=["a"])
    assert error["param"] == "texts"
    assert len(_post(client, texts=None)["results"]) == len(DOCUMENTS)


def test_bodies_with_texts_are_answered_in_their_own_dialect(client: httpx.Client) -> None:
    answer = client.post("/rerank", json={"query": QUERY, "texts": DOCUMENTS})
    assert [item["index"] for item in answer.json()] == _order(_post(client))


def test_the_routes_are_described_with_examples_that_work(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in PATHS:
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert client.post(path, json=example["value"]).status_code == 200
