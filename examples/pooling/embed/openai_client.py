"""Embed a few sentences with the official OpenAI client, and find the one nearest to a question.

Start a server first (`make serve`), then:

    pip install openai
    python examples/pooling/embed/openai_client.py --base-url http://127.0.0.1:8000/v1
"""

from __future__ import annotations

import argparse
import os

from openai import OpenAI

SENTENCES = [
    "A cenote is a natural pit where the roof of a limestone cave has fallen in.",
    "A well is dug by hand or drilled to reach ground water.",
    "The train to Mérida leaves at seven in the morning.",
]
QUESTION = "What is left when the roof of a cave collapses?"


def main() -> None:
    """Ask the server for four vectors and print the cosines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--api-key", default=os.environ.get("CENOTE_API_KEY", "none"))
    arguments = parser.parse_args()

    with OpenAI(base_url=arguments.base_url, api_key=arguments.api_key) as client:
        model = client.models.list().data[0].id
        answer = client.embeddings.create(model=model, input=[QUESTION, *SENTENCES])
    question, *sentences = (item.embedding for item in answer.data)

    print(f"model {model}: {len(question)} components, {answer.usage.prompt_tokens} tokens")
    print(QUESTION)
    # The vectors have length 1, so that the dot product is the cosine.
    scores = [sum(a * b for a, b in zip(question, sentence, strict=True)) for sentence in sentences]
    for score, sentence in sorted(zip(scores, SENTENCES, strict=True), reverse=True):
        print(f"  {score:6.3f}  {sentence}")


if __name__ == "__main__":
    main()
