"""Sort documents with Cohere's own client, pointed at this server (`pip install cohere`).

Start a server first (`make serve`), then:

    python examples/pooling/score/cohere_rerank_client.py --base-url http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import os

import cohere

QUERY = "What fills a cenote?"
DOCUMENTS = [
    "Bread is baked in the morning.",
    "The water of a cenote comes from the ground.",
    "The train to Mérida leaves at seven.",
]


def main() -> None:
    """Print the best documents as both versions of the client find them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default="", help="a served name; the server's first model where it is left out")
    arguments = parser.parse_args()

    key = os.environ.get("CENOTE_API_KEY", "none")
    for client in (cohere.Client(key, base_url=arguments.base_url), cohere.ClientV2(key, base_url=arguments.base_url)):
        answer = client.rerank(model=arguments.model, query=QUERY, documents=DOCUMENTS, top_n=2)
        print(type(client).__name__)
        for result in answer.results:
            print(f"{result.relevance_score:8.4f}  {DOCUMENTS[result.index]}")


if __name__ == "__main__":
    main()
