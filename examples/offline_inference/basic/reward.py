"""Ask a reward model how good answers are.

python examples/offline_inference/basic/reward.py --model Skywork/Skywork-Reward-V2-Qwen3-0.6B
"""

from __future__ import annotations

import argparse

from cenote import LLM, PromptType

QUESTION = "How deep is the deepest known cenote?"
ANSWERS = [
    "El Zacatón in Mexico is 339 metres deep, of which 319 are under water.",
    "Deep.",
]


def main() -> None:
    """Print the reward of each answer, raw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Skywork/Skywork-Reward-V2-Qwen3-0.6B", help="folder or hub id")
    arguments = parser.parse_args()

    conversations: list[PromptType] = [
        {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]}
        for answer in ANSWERS
    ]
    with LLM(arguments.model) as llm:
        outputs = llm.reward(conversations, use_tqdm=False)

    print(QUESTION)
    for answer, output in zip(ANSWERS, outputs, strict=True):
        numbers = output.outputs.data.flatten().tolist()
        print(f"  {' '.join(f'{number:8.4f}' for number in numbers)}  {answer}")


if __name__ == "__main__":
    main()
