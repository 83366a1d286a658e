"""The order in which `cenote --help` lists the built-in commands, and the line that it shows for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BUILT_IN"]

#: Name of the command and help. Where a command is, the entry points of `pyproject.toml` say.
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "serve": "Serve a model over HTTP.",
        "embed": "Embed texts from arguments, a file or standard input.",
        "rerank": "Sort documents by how well they answer a query.",
        "score": "Score pairs of texts.",
        "classify": "Classify texts or pairs of texts.",
        "heatmap": "Show where on a page the words of a query find what they look for.",
        "models": "Show what a model is and does, and who decided it.",
        "plugins": "List what is installed and whether it works; write plugins.",
        "env": "Show versions, machine and settings, for bug reports.",
        "bench": "Measure throughput.",
    }
)
