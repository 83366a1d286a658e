"""What is computed: inputs, their real tokens, and the operations that a model needs for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["Workload", "operations", "pairs_of", "texts_of"]

MAX_TOKENS = 256


def texts_of(count: int, seed: int = 0) -> list[str]:
    """Return docstrings of Python's standard library, short and long mixed."""
    from cenote.testing.corpus import docstrings

    return docstrings(count, seed)


def pairs_of(count: int, queries: int = 10) -> list[tuple[str, str]]:
    """Return pairs of a query, the first line of a docstring, and a whole docstring."""
    asked = [text.splitlines()[0][:120] for text in texts_of(queries, seed=1)]
    return [(asked[place % queries], text) for place, text in enumerate(texts_of(count, seed=2))]


def operations(config: dict[str, Any], lengths: Sequence[int]) -> float:
    """Return the multiplications and additions of a BERT-like encoder's linear layers and attention.

    Per token and layer 8 h^2 + 4 h m for the products (query, key, value, output; feed-forward of width m), and
    4 h L for attention among L tokens. Padding does no work here.

    Args:
        config: `config.json`.
        lengths: tokens of each sequence.
    """
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    linear = sum(lengths) * (8 * hidden**2 + 4 * hidden * inner)
    attention = 4 * hidden * sum(length**2 for length in lengths)
    return float(layers * (linear + attention))


@dataclass(frozen=True)
class Workload:
    """Inputs for one model.

    Attributes:
        folder: of the checkpoint.
        inputs: texts, or pairs.
        max_tokens: where they are cut.
    """

    folder: Path
    inputs: Sequence[Any]
    max_tokens: int = MAX_TOKENS

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each input after cutting, special tokens included, padding not."""
        from cenote.checkpoints import load_tokenizer, open_checkpoint

        tokenizer = load_tokenizer(open_checkpoint(str(self.folder)))
        paired = bool(self.inputs) and not isinstance(self.inputs[0], str)
        sides = [list(side) for side in zip(*self.inputs, strict=True)] if paired else [list(self.inputs)]
        encoded = tokenizer(*sides, truncation=True, max_length=self.max_tokens)
        return [len(ids) for ids in encoded["input_ids"]]

    @property
    def operations(self) -> float:
        """Of the whole model on all inputs."""
        return operations(json.loads((self.folder / "config.json").read_text()), self.lengths)
