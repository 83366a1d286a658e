"""Offline embedding of real texts: cenote, sentence-transformers and padded transformers, in turns in one run.

    python benchmarks/embed.py [--texts 1000] [--rounds 3] [--json]

The texts are docstrings of the standard library, short and long mixed, cut at 256 tokens. The run fails when the
vectors of two libraries differ. Only the ratios mean something elsewhere; see README.md in this folder.
"""

from __future__ import annotations

import argparse
import json

from cenote.testing.bench import compare_embedding
from cenote.testing.corpus import docstrings


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where left out")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="which docstrings, and in which order")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    report = compare_embedding(docstrings(options.texts, options.seed), model=options.model, rounds=options.rounds)
    print(json.dumps(report.as_json(), indent=2) if options.json else report.as_text())


if __name__ == "__main__":
    main()
