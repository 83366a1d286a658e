"""Sort documents with a ColBERT model behind a server: by `/rerank`, by `/score`, and by the vectors of `/pooling`.

Start a server first, with the plugin installed:

    cenote serve answerdotai/answerai-colbert-small-v1
    python examples/pooling/score/colbert_rerank_online.py --host 127.0.0.1 --port 8000
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from typing import Any

import numpy as np

QUERY = "What fills a cenote?"
DOCUMENTS = [
    "Bread is baked in the morning.",
    "The water of a cenote comes from the ground, and stands clear and cool.",
    "The train to Mérida leaves at seven.",
]


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def token_vectors(url: str, model: str | None, texts: list[str], role: str) -> list[np.ndarray]:
    """Return one array [vectors, components] per text, read as a query or as a document."""
    body = {"model": model, "input": texts, "task": "token_embed", "input_type": role}
    return [np.array(item["data"], np.float32) for item in post(f"{url}/pooling", body)["data"]]


def main() -> None:
    """Print the documents, best first, and each one's score as the server and as this script computes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    arguments = parser.parse_args()
    url = f"http://{arguments.host}:{arguments.port}"
    model = arguments.model

    print("/rerank")
    for result in post(f"{url}/rerank", {"model": model, "query": QUERY, "documents": DOCUMENTS})["results"]:
        print(f"{result['relevance_score']:9.4f}  {result['document']['text']}")

    scores = post(f"{url}/score", {"model": model, "queries": QUERY, "documents": DOCUMENTS})["data"]
    (query,) = token_vectors(url, model, [QUERY], "query")
    documents = token_vectors(url, model, DOCUMENTS, "document")
    print(f"/score, and MaxSim of {len(query)} vectors of the query with those of /pooling")
    for text, item, rows in zip(DOCUMENTS, scores, documents, strict=True):
        by_hand = (query @ rows.T).max(axis=1).sum()
        print(f"{item['score']:9.4f} {by_hand:9.4f}  {len(rows):3} vectors  {text}")


if __name__ == "__main__":
    main()
