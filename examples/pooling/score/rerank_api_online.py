"""Sort documents by how well they answer a query, with a server's `/rerank` route.

Start a server first (`make serve`), then:

    python examples/pooling/score/rerank_api_online.py --host 127.0.0.1 --port 8000
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from typing import Any

QUERY = "What fills a cenote?"
DOCUMENTS = [
    "Bread is baked in the morning.",
    {"text": "The water of a cenote comes from the ground.", "page": 12},
    "The train to Mérida leaves at seven.",
]


def rerank(url: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results, best first."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CENOTE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        results: list[dict[str, Any]] = json.load(answer)["results"]
    return results


def main() -> None:
    """Print the best documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    parser.add_argument("--top-n", type=int, default=2)
    arguments = parser.parse_args()

    url = f"http://{arguments.host}:{arguments.port}/rerank"
    body = {"model": arguments.model, "query": QUERY, "documents": DOCUMENTS, "top_n": arguments.top_n}
    for result in rerank(url, body):
        print(f"{result['relevance_score']:8.4f}  document {result['index']}  {result['document']['text']}")


if __name__ == "__main__":
    main()
