"""Compute what look-alikes of ColQwen models give in the references, for `plugins/colqwen/tests/goldens`.

Run by hand; nothing of cenote is imported. First, with cenote:

    python scripts/colqwen_lookalikes.py FOLDER

then, with torch 2.13.0, transformers 5.23.0 and `pip install --no-deps colpali-engine==0.3.18`:

    python scripts/colqwen_goldens.py FOLDER plugins/colqwen/tests/goldens

Everything is computed eagerly in float32, one prompt at a time. ColQwen3.5 runs in its own library, colpali-engine. The
code of the other three comes with their checkpoints, which cannot be had here: `colqwen_references.py` puts
transformers' Qwen3-VL and a projection together as that code does. Each trap is computed too: the scores that a model
gives which loses its bias, looks in the wrong direction, and so on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from colqwen_references import MODELS, Item, Reference
from PIL import Image

__all__ = ["main"]

_DIGITS = 6
#: Vectors of pictures with more tokens than this are written down in part.
_LONG, _STEP = 100, 97
#: What is computed as vLLM 0.32 does it, by name.
_VLLM = ("query 0", "wide", "both")


def main(root: Path, goldens: Path) -> None:
    """Write a JSON file and an array file for each model."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    pictures = {name: _opened(root / "pictures" / f"{name}.png") for name in inputs["pictures"]}
    goldens.mkdir(exist_ok=True)
    for name, build in MODELS.items():
        content, arrays = _computed(build(root / name), inputs, pictures)
        head = {"build": inputs["cases"][name], "versions": _versions(name), "pictures": inputs["pictures"]}
        content = {**head, **content}
        (goldens / f"{name}.json").write_text(_to_json(content))
        np.savez_compressed(goldens / f"{name}.npz", **arrays)
        print(name, {trap: _largest(content["scores"], scores) for trap, scores in content["flipped"].items()})


def _opened(path: Path) -> Image.Image:
    """Return an RGB picture; what is transparent is white, as in transformers' own loading."""
    image: Image.Image = Image.open(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def _versions(name: str) -> dict[str, str]:
    own = ("colpali-engine",) if name == "colqwen3_5" else ()
    return {library: version(library) for library in ("torch", "transformers", *own)}


def _items(inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> dict[str, Item]:
    """Return what is computed, by name."""
    items = {f"query {n}": Item("query", text) for n, text in enumerate(inputs["queries"])}
    items |= {f"document {n}": Item("document", text) for n, text in enumerate(inputs["documents"])}
    items |= {name: Item("document", "", name, image) for name, image in pictures.items()}
    text, name = inputs["both"]
    return items | {"both": Item("document", text, name, pictures[name])}


@torch.inference_mode()
def _computed(
    reference: Reference, inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]
) -> tuple[dict[str, Any], dict[str, Any]]:
    items = _items(inputs, pictures)
    read = {name: item for name, item in items.items() if reference.reads(item)}
    vectors = {name: reference.vectors(item) for name, item in read.items()}
    small = {name: item for name, item in read.items() if name != "page"}
    as_vllm = replace(reference, flipped="vllm")
    theirs = {name: as_vllm.vectors(items[name]) for name in _VLLM}
    content = {
        "reference": reference.title,
        "counts": [[*size, reference.count(*size)] for size in inputs["sizes"]],
        "prompts": [_row(reference, name, item, vectors[name]) for name, item in read.items()],
        "vllm": [_row(as_vllm, name, items[name], theirs[name]) for name in _VLLM],
        "scores": _scores(vectors),
        "flipped": {trap: _scores(_flipped(reference, trap, small)) for trap in reference.traps},
    }
    arrays = {name: _rounded(rows) for name, rows in vectors.items()}
    return content, arrays | {f"vllm {name}": _rounded(rows) for name, rows in theirs.items()}


def _row(reference: Reference, name: str, item: Item, vectors: torch.Tensor) -> dict[str, Any]:
    ids, tokens = reference.ids(item)
    return {"name": name, **item.facts(), "ids": ids, "visual_tokens": tokens, "step": _step(vectors)}


def _step(vectors: torch.Tensor) -> int:
    """Return how far apart the vectors are that are written down."""
    return 1 if len(vectors) <= _LONG else _STEP


def _rounded(vectors: torch.Tensor) -> Any:
    return np.round(vectors[:: _step(vectors)].numpy().astype(np.float64), _DIGITS).astype(np.float32)


def _flipped(reference: Reference, trap: str, items: Mapping[str, Item]) -> dict[str, torch.Tensor]:
    wrong = replace(reference, flipped=trap)
    return {name: wrong.vectors(item) for name, item in items.items()}


def _scores(vectors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    """Return the sums of best matches of each query with everything that is no query."""
    queries = {name: rows for name, rows in vectors.items() if name.startswith("query")}
    others = {name: rows for name, rows in vectors.items() if name not in queries}
    return {
        query: {name: round(float((own @ rows.T).max(dim=1).values.sum()), _DIGITS) for name, rows in others.items()}
        for query, own in queries.items()
    }


def _largest(right: Mapping[str, dict[str, float]], wrong: Mapping[str, dict[str, float]]) -> float:
    return max(abs(right[query][name] - score) for query, row in wrong.items() for name, score in row.items())


def _to_json(content: Mapping[str, Any]) -> str:
    """Write one line per prompt and per query's scores."""
    parts = []
    for key, value in content.items():
        if key in ("prompts", "vllm"):
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        elif key in ("scores", "flipped"):
            lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in value.items())
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
