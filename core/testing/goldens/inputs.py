"""The inputs of golden rows by name: texts, pairs, conversations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cenote.testing.texts import sample_texts

__all__ = ["INPUTS"]

_TEXTS = sample_texts()
_PARAGRAPH = max(_TEXTS, key=len)
_PAIRS = [
    ["How deep is the well?", "Nobody knows: the rope was forty metres long and did not reach the bottom."],
    ["How deep is the well?", "The train to the coast leaves at 7:45 from platform 12."],
    ["Nobody knows.", "How deep is the well?"],
    ["water", "x"],
    ["Wohin fließt das Wasser?", "It flows towards the sea in dark tunnels \U0001f30a."],
    # Longer than the positions of the look-alikes of BERT: both sides are cut.
    [f"What does bread need? {_PARAGRAPH}", f"Bread needs flour, water, salt and time. {_PARAGRAPH} {_PARAGRAPH}"],
]
_QUESTION = {"role": "user", "content": "How many people lived in the village in 1984?"}
_CONVERSATIONS = [
    [_QUESTION, {"role": "assistant", "content": "312 people."}],
    [_QUESTION, {"role": "assistant", "content": "The train leaves at 7:45, I think, or was it 10:20?"}],
    [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Is the water deep?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "How deep is it?"},
        {"role": "assistant", "content": "Very deep."},
    ],
]
_STEPS = [
    [
        {"role": "user", "content": "Three shops close, one opens; there were 3. How many are there now?"},
        {"role": "assistant", "content": "3 - 3 = 0.<extra_0>0 + 1 = 1.<extra_0>So there is one shop.<extra_0>"},
    ],
    [
        {"role": "user", "content": "What is 12 divided by 4?"},
        {"role": "assistant", "content": "It is 4.<extra_0>"},
    ],
]

#: Lists of inputs; a pair is a list of two texts, a conversation a list of messages.
INPUTS: Mapping[str, list[Any]] = MappingProxyType(
    {
        "texts": _TEXTS,
        "few": [_TEXTS[1], _TEXTS[2], _TEXTS[7]],
        "short": _TEXTS[:3],
        "pairs": _PAIRS,
        "short_pairs": _PAIRS[:5],
        "conversations": _CONVERSATIONS,
        "steps": _STEPS,
    }
)
