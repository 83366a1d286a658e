"""Rank documents by late interaction: a vector per token, and for each of the query's the best of the document's.

python examples/pooling/token_embed/multi_vector_retrieval_offline.py --model BAAI/bge-m3
"""

from __future__ import annotations

import argparse

from cenote import LLM

QUERY = "What fills a cenote?"
DOCUMENTS = [
    "Ground water seeps into the pit and stands clear and cool.",
    "The train to Mérida leaves at seven.",
    "A cenote is a natural pit where the roof of a limestone cave has fallen in.",
]


def main() -> None:
    """Print the number of vectors and the MaxSim score of each document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where it is left out")
    arguments = parser.parse_args()

    with LLM(arguments.model) as llm:
        outputs = llm.encode([QUERY, *DOCUMENTS], pooling_task="token_embed", use_tqdm=False)
        scores = llm.score(QUERY, DOCUMENTS, score_type="colbert", use_tqdm=False)

    query, *documents = (output.outputs.data for output in outputs)
    print(f"{QUERY}  {len(query)} vectors of {query.shape[1]} components")
    for text, rows, score in zip(DOCUMENTS, documents, scores, strict=True):
        by_hand = (query @ rows.T).max(dim=1).values.sum().item()
        print(f"  {by_hand:8.4f} by hand, {score.outputs.score:8.4f} by LLM.score, {len(rows):3} vectors  {text}")


if __name__ == "__main__":
    main()
