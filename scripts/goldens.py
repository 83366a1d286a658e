"""Compute the numbers that tests compare the golden rows with, and write them to tests/goldens.

Run by hand, with all reference libraries at hand: sentence-transformers and peft, and for four rows
`pip install --no-deps model2vec==0.10.0 FlagEmbedding==1.4.2 mxbai-rerank==0.1.6` with what these import.

    python scripts/goldens.py [row ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from golden_references import REFERENCES, Reference

from cenote.testing.goldens import INPUTS, ROWS, GoldenRow

__all__ = ["main"]

GOLDENS = Path(__file__).resolve().parents[1] / "tests" / "goldens"
_DIGITS = 7
#: Distributions whose versions are written down, by the first word of a row's reference.
_LIBRARIES = {
    "FlagEmbedding": ("FlagEmbedding",),
    "model2vec": ("model2vec",),
    "mxbai-rerank": ("mxbai-rerank",),
    "peft": ("peft", "sentence-transformers"),
    "sentence-transformers": ("sentence-transformers",),
}


def main(names: Sequence[str]) -> None:
    """Write the files of the rows with these names, or of all."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        raise SystemExit(f"No such row: {', '.join(sorted(unknown))}.")
    for row in ROWS:
        if not names or row.name in names:
            (GOLDENS / f"{row.name}.json").write_text(_to_json(_computed(row)))
            print(row.name)


def _computed(row: GoldenRow) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = row.build(Path(scratch))
        with torch.inference_mode():
            reference = REFERENCES[row.reference](row, folder)
            calls = [_answer(reference, call.method, call.inputs, dict(call.options)) for call in row.calls]
    libraries = ("transformers", *_LIBRARIES.get(row.reference.split()[0], ()))
    return {"reference": row.reference, "versions": {name: version(name) for name in libraries}, "calls": calls}


def _answer(reference: Reference, method: str, inputs: str, options: dict[str, Any]) -> dict[str, Any]:
    expected = reference(method, INPUTS[inputs], options)
    rounded = [_rounded(torch.as_tensor(value).float()) for value in expected]
    return {"method": method, "options": options, "inputs": INPUTS[inputs], "expected": rounded}


def _rounded(values: torch.Tensor) -> Any:
    if values.ndim == 0:
        return round(float(values), _DIGITS)
    return [_rounded(value) for value in values]


def _to_json(content: dict[str, Any]) -> str:
    """Write one line per input and per result."""
    lines = []
    for call in content["calls"]:
        head = json.dumps({"method": call["method"], "options": call["options"]}, ensure_ascii=False)
        rows = {
            key: ",\n".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in call[key])
            for key in ("inputs", "expected")
        }
        lines.append(f'{head[:-1]}, "inputs": [\n{rows["inputs"]}\n], "expected": [\n{rows["expected"]}\n]}}')
    start = json.dumps({"reference": content["reference"], "versions": content["versions"]})
    return f'{start[:-1]}, "calls": [\n' + ",\n".join(lines) + "\n]}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
