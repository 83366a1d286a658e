"""Embed texts.

python examples/offline_inference/basic/embed.py --model BAAI/bge-small-en-v1.5
"""

from __future__ import annotations

import argparse

from cenote import LLM

PROMPTS = [
    "A cenote is a natural pit in limestone.",
    "The water of a cenote comes from the ground.",
    "The train to Mérida leaves at seven.",
]


def main() -> None:
    """Print one vector per text, and how near each text is to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where it is left out")
    arguments = parser.parse_args()

    with LLM(arguments.model) as llm:
        outputs = llm.embed(PROMPTS, use_tqdm=False)

    first = outputs[0].outputs.embedding
    for prompt, output in zip(PROMPTS, outputs, strict=True):
        vector = output.outputs.embedding
        beginning = ", ".join(f"{value:+.4f}" for value in vector[:4])
        print(f"{prompt}\n  [{beginning}, ...] {len(vector)} components")
        # The vectors have length 1, so that the dot product is the cosine.
        print(f"  cosine with the first text: {sum(a * b for a, b in zip(first, vector, strict=True)):.4f}")


if __name__ == "__main__":
    main()
