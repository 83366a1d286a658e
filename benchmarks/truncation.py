"""A long text cut to a few tokens: cenote, which tokenises only what is kept, beside tokenising all of it first.

    python benchmarks/truncation.py [--characters 2000000] [--tokens 512] [--rounds 3]

The text is docstrings of the standard library, alone and as the document of a pair. The tokenizers are those of the
look-alike checkpoints: the real kinds with small vocabularies, so that they make more tokens than the published ones.
The run fails when the ids differ from those of transformers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from harness.options import ROUNDS, whole

from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.inputs import TextEncoder
from cenote.testing.bench import table
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.corpus import docstrings
from cenote.types import Prompt, TokenizationOptions

KINDS = {
    "bert": "WordPiece",
    "roberta": "byte-level BPE, GPT-2",
    "xlm_roberta": "Unigram",
    "deberta_v2": "Unigram",
    "qwen3": "byte-level BPE, Qwen",
    "llama": "SentencePiece BPE",
    "gemma": "SentencePiece BPE",
}
QUERY = "Which function returns the number of seconds since the epoch?"


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=whole(1, 100_000_000), default=2_000_000, help="length of the text")
    tokens = whole(16, why="special tokens have room")
    parser.add_argument("--tokens", type=tokens, default=512, help="tokens that are kept")
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=3)
    options = parser.parse_args()
    text = long_text(options.characters)
    rows = [row for family in KINDS for row in compare(family, text, options.tokens, options.rounds)]
    header = ("tokenizer", "input", "side", "whole, ms", "cenote, ms", "ratio")
    print(f"{len(text):,} characters, {options.tokens} tokens kept, median of {options.rounds}\n")
    print(table(header, rows, "lllrrr"))


def long_text(characters: int) -> str:
    """Return docstrings laid end to end, repeated as often as needed."""
    once = "\n\n".join(docstrings(1000))
    return (once * (characters // len(once) + 1))[:characters]


def compare(family: str, text: str, tokens: int, rounds: int) -> list[tuple[str, ...]]:
    """Time one tokenizer on the text alone, from both sides, and as the second of a pair.

    Raises:
        SystemExit: the ids differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(open_checkpoint(str(build_checkpoint(family, Path(folder)))))
    rows: list[tuple[str, ...]] = []
    for name, second, side in (("text", None, "right"), ("text", None, "left"), ("pair", text, "right")):
        tokenizer.truncation_side = side
        encoder = TextEncoder(tokenizer, max_tokens=tokens)
        prompt = Prompt(text=text) if second is None else Prompt(text=QUERY, text_pair=second)
        given: Any = [text] if second is None else [(QUERY, second)]
        whole, wanted = timed(partial(_whole, tokenizer, given, tokens), rounds)
        ours, found = timed(partial(_ours, encoder, prompt), rounds)
        if found != wanted:
            raise SystemExit(f"{family}, {name}, {side}: the ids differ from those of transformers.")
        figures = (f"{whole * 1e3:,.1f}", f"{ours * 1e3:,.2f}", f"{whole / ours:,.0f}")
        rows.append((f"{family} ({KINDS[family]})", name, side, *figures))
    return rows


def _whole(tokenizer: Any, given: Any, tokens: int) -> list[int]:
    return list(tokenizer(given, truncation=True, max_length=tokens)["input_ids"][0])


def _ours(encoder: TextEncoder, prompt: Prompt) -> list[int]:
    return list(encoder.encode(prompt, TokenizationOptions(truncate_prompt_tokens=-1)).token_ids)


def timed(run: Callable[[], list[int]], rounds: int) -> tuple[float, list[int]]:
    """Return the median time in seconds, and what the last round gave."""
    times: list[float] = []
    result: list[int] = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return median(times), result


if __name__ == "__main__":
    main()
