"""Damaged bytes, random paths and headers: the answer is a success or an error in the envelope, and never a 5xx."""

from __future__ import annotations

import json
import random

import httpx

URL = "/v1/embeddings"
JSON = {"Content-Type": "application/json"}


def damaged_bytes(rng: random.Random) -> bytes:
    raw = bytearray(json.dumps({"model": "all-MiniLM-L6-v2", "input": ["a", "b"], "dimensions": None}).encode())
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(raw))
        raw[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(raw)


def test_damaged_bodies_are_answered_in_the_envelope(client: httpx.Client) -> None:
    rng = random.Random(20261)
    seen: dict[int, int] = {}
    for _ in range(250):
        raw = damaged_bytes(rng)
        answer = client.post(URL, content=raw, headers=JSON)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400, 404), (raw, answer.text)
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["code"] == answer.status_code
            assert "Traceback" not in error["message"]
    assert seen.get(400, 0) > 20
    assert client.post(URL, json={"input": "still alive"}).status_code == 200


def test_random_methods_paths_and_headers_are_answered_in_the_envelope(client: httpx.Client) -> None:
    rng = random.Random(7)
    for _ in range(150):
        method = rng.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"))
        path = "/" + "".join(rng.choice("v1/embdings.%25?#&=_-~") for _ in range(rng.randrange(20)))
        headers = {"X-Request-Id": "".join(rng.choice('ab/\\";,:= ') for _ in range(9)).strip() or "a", **JSON}
        raw_target = {"target": path.encode()}  # as it is, without the client's repairs
        content = rng.choice((b"", b"{}", b"\xff"))
        answer = client.request(method, "/", headers=headers, content=content, extensions=raw_target)
        assert answer.status_code in (200, 400, 404, 405, 422), (method, path, answer.text)
        assert answer.headers["x-request-id"]
        if answer.status_code != 200:
            content = answer.json()
            assert (
                content.get("error_type") or content["error"]["code"] == answer.status_code
            )  # "/" is a route of TEI's
