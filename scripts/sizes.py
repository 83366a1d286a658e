"""Print how long the files and functions of the package are: a report for reviews, never a failure."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("core", "plugins/*/src", "io_processors/*/src")
LONG_FILE, LONG_FUNCTION = 300, 60


def main() -> None:
    """Print medians, and what deserves a second look."""
    files = {path: path.read_text() for folder in SOURCES for top in ROOT.glob(folder) for path in top.rglob("*.py")}
    lines = {str(path.relative_to(ROOT)): text.count("\n") for path, text in files.items()}
    functions = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    print(
        f"{len(lines)} files, median {statistics.median(lines.values()):.0f} lines; "
        f"{len(functions)} functions, median {statistics.median(functions.values()):.0f} lines"
    )
    for limit, sizes in ((LONG_FILE, lines), (LONG_FUNCTION, functions)):
        for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
            if size > limit:
                print(f"look twice: {name} has {size} lines")


if __name__ == "__main__":
    main()
