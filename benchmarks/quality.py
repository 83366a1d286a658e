"""What reduced precision does to vectors and rankings: the section `quality` of `run.py`, alone.

    python benchmarks/quality.py [--documents 1000] [--queries 100] [--peers openvino onnx]

Models compute in bfloat16, int8 and with shorter float32 products, and are compared with float32: cosines of vectors
or differences of scores, and nDCG@10 and overlap@10 of rankings over a corpus of docstrings. The real all-MiniLM-L6-v2
is compared in the named peers too; a model in BERT-base's shape, a cross-encoder and a ColBERT model in cenote alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.arena import Arena
from harness.machine import threads_of_run
from harness.options import docstring_count
from harness.peers import PEERS
from harness.quality import TOP, quality
from harness.tables import TABLES

HOME = Path(__file__).resolve().parents[1] / ".bench"


def main() -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--documents", type=docstring_count(TOP, f"rankings are compared by their first {TOP}"), default=1000
    )
    parser.add_argument("--queries", type=docstring_count(), default=100)
    parser.add_argument("--peers", nargs="*", default=[], choices=[peer.name for peer in PEERS])
    parser.add_argument("--home", type=Path, default=HOME)
    options = parser.parse_args()
    peers = [peer for peer in PEERS if peer.name in options.peers]
    arena = Arena(options.home.resolve(), threads_of_run(), peers)
    title, table = TABLES["quality"]
    print(f"{title}\n\n{table(quality(arena, options.documents, options.queries))}")


if __name__ == "__main__":
    main()
