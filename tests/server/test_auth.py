"""API keys and request ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

URL = "/v1/embeddings"
BODY = {"input": "x"}


@pytest.fixture(scope="module")
def guarded(start_server: Any) -> Iterator[httpx.Client]:
    with (
        start_server(api_keys=("first key", "second"), root_path="/models") as running,
        httpx.Client(base_url=running.url) as own,
    ):
        yield own


OPEN = {"/health", "/ready", "/ping", "/version", "/metrics"}


@pytest.mark.parametrize("path", sorted(OPEN))
def test_watchers_need_no_key(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200
    assert guarded.get("/models" + path).status_code == 200


WRONG = (
    None, "", "Bearer", "Bearer wrong", "second", "Basic second", "Bearer secondx", "Bearer \xff", "Bearer secon",
    "Bearer second second", "Bearer, second", "Token second", f"Bearer {'s' * 60_000}",
)  # fmt: skip


@pytest.mark.parametrize("authorization", WRONG, ids=lambda value: str(value)[:20])
def test_without_a_right_key_it_is_401_in_the_envelope(guarded: httpx.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    for method, path in (
        ("POST", URL),
        ("GET", URL),
        ("GET", "/v1/models"),
        ("GET", "/plugins"),
        ("GET", "/load"),
        ("GET", "/docs"),
        ("GET", "/docs/start.js"),
        ("GET", "/openapi.json"),
        ("GET", "/nothing"),
        ("DELETE", "/health"),
        ("POST", "/models" + URL),
    ):
        answer = guarded.request(method, path, json=BODY, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "allow" not in answer.headers
        assert answer.json()["error"]["type"] == "Unauthorized"
        assert answer.json()["error"]["code"] == 401


def test_a_key_in_another_place_opens_nothing(guarded: httpx.Client) -> None:
    for headers in ({"X-Api-Key": "second"}, {"Api-Key": "second"}, {"Cookie": "Authorization=Bearer second"}):
        assert guarded.post(URL + "?api_key=second", json=BODY, headers=headers).status_code == 401


def test_two_authorization_headers_open_nothing_even_with_a_right_one(guarded: httpx.Client) -> None:
    for other in ("Bearer wrong", "Bearer second", ""):
        headers = [("Authorization", "Bearer second"), ("authorization", other)]
        assert guarded.post(URL, json=BODY, headers=headers).status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer first key", "bearer second", "BEARER  second"])
def test_each_key_opens_whatever_the_case_of_the_scheme(guarded: httpx.Client, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert guarded.post(URL, json=BODY, headers=headers).status_code == 200
    assert guarded.post("/models" + URL, json=BODY, headers=headers).status_code == 200
    assert guarded.get("/v1/models", headers=headers).status_code == 200


def test_options_says_the_same_to_strangers_on_every_path(guarded: httpx.Client) -> None:
    answers = [guarded.options(path) for path in (URL, "/nothing", "/health")]
    assert {answer.status_code for answer in answers} == {405}
    assert len({answer.content for answer in answers}) == len({answer.headers["allow"] for answer in answers}) == 1


def test_in_vllms_mode_only_the_routes_below_v1_and_v2_need_a_key(start_server: Any) -> None:
    with (
        start_server(api_keys="k", guarded_routes="vllm", root_path="/api") as running,
        httpx.Client(base_url=running.url) as own,
    ):
        for path in ("/pooling", "/score", "/api/tokenize"):
            assert own.post(path, json={}).status_code == 400
        for path in ("/load", "/plugins", "/docs", "/openapi.json"):
            assert own.get(path).status_code == 200
        for path in ("/v1/embeddings", "/v2/embed", "/api/v1/rerank", "/%761/embeddings", "/v1/nothing", "/api/v1/x"):
            assert own.post(path, json={}).status_code == 401
            assert own.post(path, json={}, headers={"Authorization": "Bearer k"}).status_code in (400, 404)
        document = own.get("/openapi.json").json()
        free = {
            path for path, item in document["paths"].items() for each in item.values() if each.get("security") == []
        }
        assert free == {path for path in document["paths"] if not path.startswith(("/v1/", "/v2/"))}
        for path in ("//v1/embeddings", "/nothing", "/v1%2fembeddings/", "/pooling/../v1/embeddings"):
            request = own.build_request("POST", "/", json=BODY)
            request.url = request.url.copy_with(raw_path=path.encode())
            assert own.send(request).status_code in (401, 404)


def test_the_official_client_raises_authentication_error(guarded: httpx.Client) -> None:
    url = f"{guarded.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as official:
        with pytest.raises(openai.AuthenticationError):
            official.embeddings.create(model="all-MiniLM-L6-v2", input="x")
    with openai.OpenAI(base_url=url, api_key="second", max_retries=0) as official:
        assert len(official.embeddings.create(model="all-MiniLM-L6-v2", input="x").data) == 1


def test_the_request_id_is_the_headers_else_the_bodys_else_random(client: httpx.Client) -> None:
    def ids(body_id: str | None, header: str | None) -> tuple[str, str]:
        headers = {} if header is None else {"X-Request-Id": header}
        answer = client.post(URL, json={**BODY, "request_id": body_id}, headers=headers)
        return answer.json()["id"], answer.headers["x-request-id"]

    assert ids("from-body", "from-header") == ("embd-from-header", "from-header")
    assert ids("from-body", None) == ("embd-from-body", "from-body")
    for kept in ("Root=1-678-abc", "a:b/c", "a+b==", "a,b", "{x}", '"', "<b>", "%s", "\\", "!~", "x" * 128):
        assert ids("from-body", kept) == (f"embd-{kept}", kept)
        assert ids(kept, None) == (f"embd-{kept}", kept)
    for replaced in ("evil\r\nSet-Cookie: a=b", "a b", " ab", "x" * 129, "\u00e9", "\u202eab", "a\x00", "a\n", ""):
        random, echoed = ids(replaced, None)
        assert random == f"embd-{echoed}"
        assert re.fullmatch("[0-9a-f]{32}", echoed)
    for header in ("a b", "x" * 129):
        assert ids("from-body", header) == ("embd-from-body", "from-body")
        assert re.fullmatch(
            "[0-9a-f]{32}", client.get("/health", headers={"X-Request-Id": header}).headers["x-request-id"]
        )
    random, echoed = ids("  ", None)
    assert random == f"embd-{echoed}"
    assert len(echoed) == 32


def test_a_body_that_is_refused_has_its_own_id_in_the_header(client: httpx.Client) -> None:
    for path, body in ((URL, {"input": 5}), ("/embed", {"inputs": 5}), ("/v1/embed", {}), ("/score", {})):
        assert client.post(path, json={**body, "request_id": "mine"}).headers["x-request-id"] == "mine"
    assert client.post(URL, json={"input": 5, "request_id": 5}).headers["x-request-id"] != "5"


def test_errors_carry_the_request_id_as_well(client: httpx.Client) -> None:
    for path in ("/nothing", URL):
        assert client.get(path, headers={"X-Request-Id": "abc"}).headers["x-request-id"] == "abc"
    assert client.get("/health").headers["x-request-id"]


def test_cross_origin_calls_are_off_unless_allowed(client: httpx.Client, start_server: Any) -> None:
    origin = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.get("/version", headers=origin).headers
    with start_server(allowed_origins='["https://a.example"]', api_keys="k") as running:
        answer = httpx.options(running.url + URL, headers=origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        refused = httpx.post(running.url + URL, json=BODY, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://a.example"
