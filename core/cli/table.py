"""The built-in commands: where each is, and the line that `cenote --help` shows for it."""

from __future__ import annotations

__all__ = ["BUILT_IN"]

#: Name of the command: target that is imported when the command is called, and help.
BUILT_IN: dict[str, tuple[str, str]] = {
    "serve": ("cenote.cli.serve:app", "Serve a model over HTTP."),
    "embed": ("cenote.cli.embed:app", "Embed texts from arguments, a file or standard input."),
    "rerank": ("cenote.cli.rerank:app", "Sort documents by how well they answer a query."),
    "score": ("cenote.cli.score:app", "Score pairs of texts."),
    "classify": ("cenote.cli.classify:app", "Classify texts or pairs of texts."),
    "models": ("cenote.cli.models:app", "Show what a model is and does, and who decided it."),
    "plugins": ("cenote.cli.plugins:app", "List what is installed and whether it works; write plugins."),
    "env": ("cenote.cli.env:env", "Show versions, machine and settings, for bug reports."),
    "bench": ("cenote.cli.bench:app", "Measure throughput."),
}
