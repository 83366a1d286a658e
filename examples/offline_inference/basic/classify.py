"""Classify texts.

python examples/offline_inference/basic/classify.py --model distilbert/distilbert-base-uncased-finetuned-sst-2-english
"""

from __future__ import annotations

import argparse

from cenote import LLM

PROMPTS = ["The water was clear and warm.", "The last bus had gone, and it rained.", "It is a pit."]


def main() -> None:
    """Print the probability of each label for each text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="distilbert/distilbert-base-uncased-finetuned-sst-2-english", help="folder or hub id"
    )
    arguments = parser.parse_args()

    with LLM(arguments.model) as llm:
        labels, outputs = llm.labels, llm.classify(PROMPTS, use_tqdm=False)

    for prompt, output in zip(PROMPTS, outputs, strict=True):
        ranked = sorted(zip(output.outputs.probs, labels, strict=True), reverse=True)
        print(f"{prompt}\n  " + ", ".join(f"{label} {value:.4f}" for value, label in ranked))


if __name__ == "__main__":
    main()
