"""Score pairs of texts with a server's `/score` route: one query for all documents, or queries and documents in pairs.

Start a server first (`make serve`), then:

    python examples/pooling/score/score_api_online.py --host 127.0.0.1 --port 8000
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from typing import Any

QUERY = "What fills a cenote?"
DOCUMENTS = ["Ground water fills it.", "Bread is baked in the morning.", "A cenote is a natural pit."]
QUERIES = ["What is baked?", "What is a cenote?"]


def score(url: str, body: dict[str, Any]) -> list[float]:
    """Return one score per pair."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        return [item["score"] for item in json.load(answer)["data"]]


def main() -> None:
    """Print the scores of one query with three documents, and of two pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    arguments = parser.parse_args()
    url = f"http://{arguments.host}:{arguments.port}/score"

    scores = score(url, {"model": arguments.model, "queries": QUERY, "documents": DOCUMENTS})
    for document, number in zip(DOCUMENTS, scores, strict=True):
        print(f"{number:8.4f}  {QUERY}  {document}")

    scores = score(url, {"model": arguments.model, "queries": QUERIES, "documents": DOCUMENTS[1:]})
    for query, document, number in zip(QUERIES, DOCUMENTS[1:], scores, strict=True):
        print(f"{number:8.4f}  {query}  {document}")


if __name__ == "__main__":
    main()
