"""Score documents for a query, with a reranker or with an embedder.

python examples/offline_inference/basic/score.py --model BAAI/bge-reranker-v2-m3
"""

from __future__ import annotations

import argparse

from cenote import LLM

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "The capital of France is Paris.", "Cenotes are natural pits."]


def main() -> None:
    """Print the score of each document, and the documents sorted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="BAAI/bge-reranker-v2-m3", help="folder or hub id")
    arguments = parser.parse_args()

    with LLM(arguments.model) as llm:
        outputs = llm.score(QUERY, DOCUMENTS, use_tqdm=False)
        ranking = llm.rerank(QUERY, DOCUMENTS, top_n=2, use_tqdm=False)

    print(QUERY)
    for document, output in zip(DOCUMENTS, outputs, strict=True):
        print(f"  {output.outputs.score:8.4f}  {document}")
    print("Best two:")
    for place, result in enumerate(ranking, 1):
        print(f"  {place}. {result.document}")


if __name__ == "__main__":
    main()
