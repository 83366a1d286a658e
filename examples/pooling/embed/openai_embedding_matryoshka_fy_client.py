"""Ask a server for embeddings of fewer components, with the official OpenAI client.

Start a server with a model that is trained for it, then:

    cenote serve jinaai/jina-embeddings-v3
    python examples/pooling/embed/openai_embedding_matryoshka_fy_client.py --dimensions 32
"""

from __future__ import annotations

import argparse
import os

from openai import OpenAI

TEXTS = ["Follow the white rabbit.", "Folge dem weißen Kaninchen.", "The train leaves at seven."]


def main() -> None:
    """Print short vectors and their cosines with the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="a served name; the server's first model where it is left out")
    parser.add_argument("--dimensions", type=int, default=32, help="components to ask for")
    parser.add_argument("--api-key", default=os.environ.get("CENOTE_API_KEY", "none"))
    arguments = parser.parse_args()

    with OpenAI(base_url=f"http://{arguments.host}:{arguments.port}/v1", api_key=arguments.api_key) as client:
        model = arguments.model or client.models.list().data[0].id
        answer = client.embeddings.create(model=model, input=TEXTS, dimensions=arguments.dimensions)

    vectors = [item.embedding for item in answer.data]
    print(f"{model}: {len(vectors[0])} components, {answer.usage.prompt_tokens} tokens")
    for text, vector in zip(TEXTS, vectors, strict=True):
        # Short vectors are normalised again, so that the dot product is the cosine.
        print(f"  {sum(a * b for a, b in zip(vectors[0], vector, strict=True)):.4f}  {text}")


if __name__ == "__main__":
    main()
