"""Wrong requests: the right status, the envelope, and nothing of the server's inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

URL = "/v1/embeddings"
JSON = {"Content-Type": "application/json"}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == answer.status_code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert len(error["message"]) <= 11_000
    assert not re.search(r"0x[0-9a-f]{6,}|Traceback|site-packages|\.py\b", error["message"])
    return error


SCHEMA = [
    ({"input": []}, "input"),
    ({}, "input"),
    ({"input": None}, "input"),
    ({"input": 5}, "input"),
    ({"input": 1.5}, "input"),
    ({"input": True}, "input"),
    ({"input": [True]}, "input"),
    ({"input": [1, True]}, "input"),
    ({"input": [1.5]}, "input"),
    ({"input": ["1", 2]}, "input"),
    ({"input": [1, "2"]}, "input"),
    ({"input": [[1, "a"]]}, "input"),
    ({"input": [[1], 2]}, "input"),
    ({"input": [[1], "a"]}, "input"),
    ({"input": [[[1]]]}, "input"),
    ({"input": [None]}, "input"),
    ({"input": [{"role": "user", "content": "x"}, "x"]}, "input"),
    ({"input": [2**70]}, "input"),
    ({"input": "x", "dimensions": "32"}, "dimensions"),
    ({"input": "x", "dimensions": 3.5}, "dimensions"),
    ({"input": "x", "dimensions": True}, "dimensions"),
    ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
    ({"input": "x", "truncate_prompt_tokens": -2}, "truncate_prompt_tokens"),
    ({"input": "x", "truncation_side": "middle"}, "truncation_side"),
    ({"input": "x", "add_special_tokens": "yes"}, "add_special_tokens"),
    ({"input": "x", "use_activation": 1}, "use_activation"),
    ({"input": "x", "priority": 2**63}, "priority"),
    ({"input": "x", "model": 3}, "model"),
    ({"input": "x", "request_id": 3}, "request_id"),
]


@pytest.mark.parametrize(("body", "field"), SCHEMA)
def test_a_body_that_does_not_fit_the_schema_is_400_and_names_the_field(
    client: httpx.Client, body: dict[str, Any], field: str
) -> None:
    answer = client.post(URL, json=body)
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["type"] == "Bad Request"
    assert error["param"] == f"body.EmbeddingRequest.{field}"


REFUSED = [
    ({"input": {"text": 5}}, "input"),
    ({"input": [[]]}, None),
    ({"input": [-1]}, None),
    ({"input": [10**9]}, None),
    ({"input": [2**63 - 1]}, None),
    ({"input": "word " * 3000}, "input_tokens"),
    ({"input": "x", "truncate_prompt_tokens": 0}, None),
    ({"input": "x", "truncate_prompt_tokens": 257}, "truncate_prompt_tokens"),
    ({"input": "x", "input_type": "image"}, "input_type"),
    ({"input": "x", "prompt": "a", "prompt_name": "b"}, "prompt"),
    ({"input": "x", "prompt_name": "no such prompt"}, "prompt_name"),
    ({"input": "x", "messages": [{"role": "user", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
    ({"input": "x", "normalize": False}, "normalize"),
    ({"input": "x", "softmax": True}, "softmax"),
    ({"input": "x", "activation": True}, "activation"),
    ({"input": "x", "task": "encode"}, "task"),
    ({"input": "x", "outputs": ["sparse"]}, "outputs"),
    ({"input": "x", "mm_processor_kwargs": {"a": 1}}, "mm_processor_kwargs"),
    ({"input": "x", "cache_salt": "a/b"}, "cache_salt"),
    ({"input": "x", "cache_salt": "a" * 129}, "cache_salt"),
    ({"input": ["x"] * 8193}, "input"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_what_can_never_succeed_is_400_with_its_parameter(
    client: httpx.Client, body: dict[str, Any], param: str | None
) -> None:
    answer = client.post(URL, json=body)
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["type"] == "BadRequestError"
    if param is not None:
        assert error["param"] == param


def test_dimensions_on_a_model_without_matryoshka_has_the_contracts_text(client: httpx.Client) -> None:
    for body in ({"input": "x", "dimensions": 32}, {"input": "x", "dimensions": 32, "model": "all-MiniLM-L6-v2"}):
        answer = client.post(URL, json=body)
        assert answer.status_code == 400
        assert error_of(answer) == {
            "message": 'Model "all-MiniLM-L6-v2" does not support matryoshka representation, '
            "changing output dimensions will lead to poor results.",
            "type": "BadRequestError",
            "param": "dimensions",
            "code": 400,
        }


MALFORMED = [
    b"",
    b"{",
    b'{"input": "x"',
    b'{"input": NaN}',
    b'{"input": "x", "dimensions": Infinity}',
    b'{"input": "\xff\xfe"}',
    b'{"input": "\\ud800"}',
    b'\xef\xbb\xbf{"input": "x"}',
    b"\x1f\x8b\x08\x00" + b"\x00" * 40,
    b"input=x",
    b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 5_000_000,
    b'{"a":' * 200_000,
    b"null",
    b"[]",
    b'"x"',
    b"7",
    b"9" * 100_000,
]


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: repr(raw[:24]))
def test_what_is_no_json_object_is_400(client: httpx.Client, raw: bytes) -> None:
    answer = client.post(URL, content=raw, headers=JSON)
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "Bad Request"


def test_lists_nested_as_deep_as_the_parser_allows_are_400(client: httpx.Client) -> None:
    for depth in (3, 50, 500, 1000, 1022):
        answer = client.post(URL, content=b'{"input": ' + b"[" * depth + b"]" * depth + b"}", headers=JSON)
        assert answer.status_code == 400
        error_of(answer)


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/ld+json"]
)
def test_a_wrong_or_missing_content_type_is_400(client: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = client.post(URL, content=b'{"input": "x"}', headers=headers)
    assert answer.status_code == 400
    message = error_of(answer)["message"]
    assert "application/json" in message
    assert message.endswith(f", not as {kind!r}." if kind else ", but the request names no type.")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;foo"])
def test_case_and_parameters_of_the_content_type_do_not_matter(client: httpx.Client, kind: str) -> None:
    answer = client.post(URL, content=b'{"input": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("mixed", "named"),
    [
        (["1", 2], "element 1 is 2"),
        ([1, "2"], "element 1 is '2'"),
        ([1, 2, True], "element 2 is True"),
        ([[1], "a"], "element 1 is 'a'"),
        ([[1], [2, "a"]], "element 1 of list 1 is 'a'"),
        ([{"a": 1}, 2], "element 0 is {'a': 1}"),
    ],
)
def test_the_element_that_does_not_fit_a_list_is_named(client: httpx.Client, mixed: list[Any], named: str) -> None:
    assert named in error_of(client.post(URL, json={"input": mixed}))["message"]


def test_a_wrong_prompt_of_a_list_is_named_by_its_place(client: httpx.Client) -> None:
    error = error_of(client.post(URL, json={"input": ["x", "y", "word " * 3000]}))
    assert "2" in error["message"].partition(":")[0]
    assert error["param"] == "input_tokens"


def test_long_values_are_shortened_in_messages(client: httpx.Client) -> None:
    answer = client.post(URL, json={"input": "x", "dimensions": "9" * 1_000_000, "model": {"a" * 100_000: 1}})
    assert answer.status_code == 400
    message = error_of(answer)["message"]
    assert len(message) < 1500
    assert "dimensions" in message
    assert "model" in message
    assert len(error_of(client.post(URL, json={"input": "x", "model": "n" * 100_000}))["message"]) < 1500
    assert len(error_of(client.get("/" + "p" * 30_000))["message"]) < 1500


def test_at_most_ten_problems_are_listed(client: httpx.Client) -> None:
    fields = ("model", "user", "request_id", "priority", "cache_salt", "add_special_tokens", "truncation_side")
    more = ("padding", "encoding_format", "embed_dtype", "endianness", "dimensions", "prompt", "prompt_name")
    answer = client.post(URL, json={"input": "x", **{key: [] for key in (*fields, *more)}})
    message = error_of(answer)["message"]
    assert message.count("(given: ") == 10
    assert message.endswith("and 4 more")


def test_errors_do_not_tell_where_the_model_lies(client: httpx.Client, model_folder: Path) -> None:
    bodies = [body for body, _ in (*SCHEMA, *REFUSED)] + [{"input": "x", "dimensions": 5}, {"input": "x", "model": "n"}]
    for body in bodies:
        text = client.post(URL, json=body).text
        assert str(model_folder) not in text
        assert "site-packages" not in text


def test_an_unexpected_failure_is_500_and_says_nothing_of_its_cause(start_server: Any) -> None:
    async def fail() -> None:
        raise RuntimeError("secret in /srv/models")

    with start_server() as running:
        running.server.config.app.add_api_route("/v1/fail", fail)
        answer = httpx.get(running.url + "/v1/fail")
        assert answer.status_code == 500
        assert error_of(answer)["type"] == "InternalServerError"
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"]
        metrics = httpx.get(running.url + "/metrics").text
        assert 'cenote:http_requests_total{handler="/v1/fail",method="GET",status="500"} 1.0' in metrics


def test_complaints_about_many_thousand_values_are_counted_and_not_listed(server: Any) -> None:
    answer = httpx.post(server.url + "/pooling", json={"input": "a", "outputs": [5] * 10_001}, timeout=60)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (400, "body.PoolingRequest"), error
    assert error["message"] == "10001 values in the body do not fit."
