"""Embed texts with fewer components than the model has; it must be trained for that (matryoshka).

python examples/pooling/embed/embed_matryoshka_fy_offline.py --model jinaai/jina-embeddings-v3 --dimensions 32
"""

from __future__ import annotations

import argparse

from cenote import LLM, PoolingParams

PROMPTS = [
    "Follow the white rabbit.",
    "Sigue al conejo blanco.",
    "Folge dem weißen Kaninchen.",
    "The train leaves at seven.",
]


def main() -> None:
    """Print short vectors, and how near each text is to the first, by the whole vectors and by the short ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="jinaai/jina-embeddings-v3", help="folder or hub id")
    parser.add_argument("--dimensions", type=int, default=32, help="components to keep")
    arguments = parser.parse_args()

    with LLM(arguments.model) as llm:
        short = llm.embed(PROMPTS, pooling_params=PoolingParams(dimensions=arguments.dimensions), use_tqdm=False)
        whole = llm.embed(PROMPTS, use_tqdm=False)

    print(f"{short[0].outputs.hidden_size} of {whole[0].outputs.hidden_size} components")
    for place, prompt in enumerate(PROMPTS):
        cosines = [
            sum(a * b for a, b in zip(outputs[0].outputs.embedding, outputs[place].outputs.embedding, strict=True))
            for outputs in (short, whole)
        ]
        print(f"  {cosines[0]:.4f} short, {cosines[1]:.4f} whole  {prompt}")


if __name__ == "__main__":
    main()
