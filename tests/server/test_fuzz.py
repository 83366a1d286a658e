"""Random bodies: whatever arrives, the answer is a success or an error in the envelope, and never a 5xx."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

URL = "/v1/embeddings"
JSON = {"Content-Type": "application/json"}
FIELDS = (
    "input model user request_id priority mm_processor_kwargs cache_salt add_special_tokens truncate_prompt_tokens "
    "truncation_side padding encoding_format embed_dtype endianness dimensions use_activation input_type prompt_name "
    "prompt messages outputs normalize task output_dtype return_tokens on_error lora late_chunking return_multivector "
    "embedding_type normalized truncate truncation output_dimension modality chat_template_kwargs add_generation_prompt"
).split()
WORDS = (
    "all-MiniLM-L6-v2", "float", "base64", "bytes", "query", "left", "right", "float16", "big", "do_not_pad", "", " ",
    "\x00", "\u202e", "\N{GRINNING FACE}", "é", "a" * 3000, "%s{}\\", "../../etc/passwd", "\r\nX: y",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 7, 101, 256, 257, 30521, 30522, 2**31, 2**63 - 1, -(2**63), 2**64, 10**40, 0.5, -0.0, 1e308)


def any_json(rng: random.Random, depth: int = 0) -> Any:
    """Return a random JSON value of bounded size."""
    kind = rng.randrange(4 if depth > 3 else 6)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice((None, True, False))
    if kind == 3:
        return [rng.choice(NUMBERS[:10]) for _ in range(rng.randrange(4))]
    if kind == 4:
        return [any_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice((*FIELDS, "content", "x")): any_json(rng, depth + 1) for _ in range(rng.randrange(4))}


def random_fields(rng: random.Random) -> bytes:
    body = {name: any_json(rng) for name in rng.sample(FIELDS, rng.randrange(1, 5))}
    body["input"] = rng.choice(("x", ["x", "y"], [101, 7592, 102], [[101], [102]], any_json(rng)))
    return json.dumps(body).encode()


def random_document(rng: random.Random) -> bytes:
    return json.dumps(any_json(rng)).encode()


def damaged_bytes(rng: random.Random) -> bytes:
    raw = bytearray(json.dumps({"model": "all-MiniLM-L6-v2", "input": ["a", "b"], "dimensions": None}).encode())
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(raw))
        raw[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(raw)


@pytest.mark.parametrize("make", [random_fields, random_document, damaged_bytes])
def test_random_bodies_are_answered_in_the_envelope(client: httpx.Client, make: Callable[..., bytes]) -> None:
    rng = random.Random(20261)
    seen: dict[int, int] = {}
    for _ in range(250):
        raw = make(rng)
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
        assert answer.status_code in (200, 400, 404, 405), (method, path, answer.text)
        assert answer.headers["x-request-id"]
        if answer.status_code != 200:
            assert answer.json()["error"]["code"] == answer.status_code
