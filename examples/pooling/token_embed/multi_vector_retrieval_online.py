"""Rank documents by late interaction, with the vectors of a server's `/pooling` route.

Start a server first (`make serve`), then:

    python examples/pooling/token_embed/multi_vector_retrieval_online.py --host 127.0.0.1 --port 8000
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request

import numpy as np

QUERY = "What fills a cenote?"
DOCUMENTS = [
    "Ground water seeps into the pit and stands clear and cool.",
    "The train to Mérida leaves at seven.",
    "A cenote is a natural pit where the roof of a limestone cave has fallen in.",
]


def token_vectors(url: str, model: str | None, texts: list[str]) -> list[np.ndarray]:
    """Return one array [tokens, components] per text."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"model": model, "input": texts, "task": "token_embed"}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        return [np.array(item["data"], np.float32) for item in json.load(answer)["data"]]


def main() -> None:
    """Print the MaxSim score of each document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    arguments = parser.parse_args()

    url = f"http://{arguments.host}:{arguments.port}/pooling"
    query, *documents = token_vectors(url, arguments.model, [QUERY, *DOCUMENTS])
    print(f"{QUERY}  {len(query)} vectors of {query.shape[1]} components")
    for text, rows in zip(DOCUMENTS, documents, strict=True):
        print(f"  {(query @ rows.T).max(axis=1).sum():8.4f}  {len(rows):3} vectors  {text}")


if __name__ == "__main__":
    main()
