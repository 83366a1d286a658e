"""Compute the numbers that the tests of the plugin bge_m3 compare with, and write them to its tests.

Run by hand, with the reference library at hand: `pip install --no-deps FlagEmbedding==1.4.2` with what it imports
(datasets, ir_datasets).

    python scripts/bge_m3_goldens.py
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from FlagEmbedding import BGEM3FlagModel  # type: ignore[import-not-found]

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts

__all__ = ["main"]

GOLDEN = Path(__file__).resolve().parents[1] / "plugins" / "bge_m3" / "tests" / "goldens" / "flag_embedding.json"
_DIGITS = 7
#: Longest input of the look-alike.
_LENGTH = 128
#: Weights of dense, sparse and colbert; None is the library's default.
_WEIGHTS = (None, [1.0, 0.3, 2.0])


def main() -> None:
    """Write the file."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        build_checkpoint("bge_m3_triple", folder)
        # One text at a time: in a padded batch, the zero vectors of padding take part in the maximum.
        model = BGEM3FlagModel(folder, use_fp16=False, devices="cpu", batch_size=1)
        texts, pairs = _texts(), _pairs()
        found = model.encode(texts, max_length=_LENGTH, return_sparse=True, return_colbert_vecs=True)
        content = {
            "versions": {name: version(name) for name in ("FlagEmbedding", "transformers")},
            "texts": texts,
            "dense": [_rounded(row) for row in found["dense_vecs"]],
            "sparse": [_terms(weights) for weights in found["lexical_weights"]],
            "colbert": [_rounded(rows) for rows in found["colbert_vecs"]],
            "pairs": pairs,
            "scores": [_scores(model, pairs, weights) for weights in _WEIGHTS],
        }
    GOLDEN.write_text(_to_json(content))


def _texts() -> list[str]:
    """Return texts with repeated words, unknown letters, special tokens spelt out, and more tokens than are read."""
    samples = sample_texts()
    spelt = "A </s> in a text, an <unk>, a <mask> and a <pad>; <s> too."
    return [samples[0], samples[1], samples[5], samples[8], spelt, "x", f"{samples[11]} {samples[3]}"]


def _pairs() -> list[list[str]]:
    samples = sample_texts()
    return [
        [samples[1], "Nobody knows: the rope was forty metres long and did not reach the bottom."],
        [samples[1], samples[2]],
        [samples[1], samples[7]],
        ["water", "x"],
        [samples[5], samples[11]],
    ]


def _terms(weights: Mapping[str, Any]) -> dict[str, float]:
    return {key: round(float(weights[key]), _DIGITS) for key in sorted(weights, key=int)}


def _scores(model: Any, pairs: Sequence[Sequence[str]], weights: Sequence[float] | None) -> dict[str, Any]:
    found = model.compute_score(
        [tuple(pair) for pair in pairs],
        batch_size=1,
        max_query_length=_LENGTH,
        max_passage_length=_LENGTH,
        weights_for_different_modes=weights,
    )
    return {"weights": weights, **{name: [round(score, _DIGITS) for score in row] for name, row in found.items()}}


def _rounded(values: Any) -> Any:
    rounded = torch.as_tensor(values).double()
    return [
        [round(x, _DIGITS) for x in row] if isinstance(row, list) else round(row, _DIGITS) for row in rounded.tolist()
    ]


def _to_json(content: Mapping[str, Any]) -> str:
    """Write one line per result."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in value)
            parts.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main()
