"""Voyage's fields on `/v1/embeddings`, decoded as its client decodes them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from cenote.outputs import quantize

URL = "/v1/embeddings"
TEXTS = ["What is a cenote?", "A natural pit."]
#: What voyageai 0.4 sends for `Client.embed(texts, model=...)`.
SENT: dict[str, Any] = {
    "input": TEXTS,
    "model": "all-MiniLM-L6-v2",
    "input_type": None,
    "truncation": True,
    "output_dtype": None,
    "output_dimension": None,
    "encoding_format": "base64",
}
#: How voyageai 0.4 reads base64, by `output_dtype`.
READ = {None: "float32", "float": "float32", "int8": "int8", "binary": "int8", "uint8": "uint8", "ubinary": "uint8"}


def _post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json={**SENT, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


@pytest.mark.parametrize("dtype", list(READ))
def test_base64_of_every_dtype_is_what_the_client_reads(client: httpx.Client, dtype: str | None) -> None:
    numbers = client.post(URL, json={"input": TEXTS}).json()["data"]
    plain = torch.tensor([item["embedding"] for item in numbers])
    asked: Any = "float32" if dtype in (None, "float") else dtype
    answer = _post(client, output_dtype=dtype)
    found = [np.frombuffer(base64.b64decode(item["embedding"]), READ[dtype]).tolist() for item in answer["data"]]
    assert found == quantize(plain, asked).tolist()
    assert answer["usage"]["total_tokens"] == 14


def test_truncation_cuts_at_the_models_limit_or_refuses(client: httpx.Client) -> None:
    long = ["word " * 1000]
    usage = _post(client, input=long)["usage"]
    assert usage["total_tokens"] == 256
    assert usage["truncated_tokens"] > 0
    answer = client.post(URL, json={**SENT, "input": long, "truncation": False})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input_tokens"
    assert answer.json()["detail"] == answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"output_dimension": 64}, "output_dimension"),
        ({"output_dimension": 64, "dimensions": 32}, "output_dimension"),
        ({"output_dimension": "64"}, "body.EmbeddingRequest.output_dimension"),
        ({"output_dtype": "int4"}, "body.EmbeddingRequest.output_dtype"),
        ({"truncation": 1}, "body.EmbeddingRequest.truncation"),
        ({"truncate": False}, "truncate"),
        ({"truncate_prompt_tokens": 9}, "truncation"),
        ({"input_type": "poem"}, "input_type"),
        ({"model": "voyage-3"}, None),
    ],
)
def test_errors_are_where_the_client_looks_for_them(
    client: httpx.Client, body: dict[str, Any], param: str | None
) -> None:
    answer = client.post(URL, json={**SENT, **body})
    assert answer.status_code == (404 if "model" in body else 400), answer.text
    content = answer.json()
    assert content["error"]["param"] == param
    assert content["detail"] == content["error"]["message"]
