"""Comparisons of cenote with other libraries: same texts, one run, results checked against each other.

`benchmarks/` and `cenote bench` are thin fronts of this package. Importing it loads neither torch nor a peer.
"""

from __future__ import annotations

from cenote.testing.bench.embed import PEERS, EmbedReport, compare_embedding
from cenote.testing.bench.report import machine, table

__all__ = ["PEERS", "EmbedReport", "compare_embedding", "machine", "table"]
