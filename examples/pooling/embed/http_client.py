"""Embed texts with nothing but the standard library and numpy, in the three ways that vectors can travel.

Start a server first (`make serve`), then:

    python examples/pooling/embed/http_client.py --base-url http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import urllib.request

import numpy as np

TEXTS = ["A cenote is a natural pit.", "It fills with ground water."]


def post(url: str, body: dict[str, object]) -> bytes:
    """Send JSON, return the raw answer."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def main() -> None:
    """Ask for the same vectors three times and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    url = parser.parse_args().base_url + "/v1/embeddings"

    numbers = post(url, {"input": TEXTS})
    as_json = np.array([item["embedding"] for item in json.loads(numbers)["data"]], np.float32)

    text = post(url, {"input": TEXTS, "encoding_format": "base64"})
    packed = [base64.b64decode(item["embedding"]) for item in json.loads(text)["data"]]
    as_base64 = np.stack([np.frombuffer(item, "<f4") for item in packed])

    raw = post(url, {"input": TEXTS, "encoding_format": "bytes_only", "endianness": "little"})
    as_bytes = np.frombuffer(raw, "<f4").reshape(len(TEXTS), -1)

    for name, size, vectors in (
        ("JSON numbers", len(numbers), as_json),
        ("base64", len(text), as_base64),
        ("raw bytes", len(raw), as_bytes),
    ):
        print(f"{name:12}  {size:6} bytes  cosine {float(vectors[0] @ vectors[1]):.4f}")


if __name__ == "__main__":
    main()
