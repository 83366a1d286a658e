"""Compute what look-alikes of Llama Nemotron VL give in a reference, for `plugins/nemotron_vl/tests/goldens`.

Run by hand; nothing of cenote is imported. First, with cenote:

    python scripts/colpali_lookalikes.py FOLDER

then, with torch 2.13.0 and transformers 5.23.0:

    python scripts/nemotron_vl_goldens.py FOLDER plugins/nemotron_vl/tests/goldens

The code of these models comes with their checkpoints, which cannot be had here: `nemotron_vl_references.py` puts
transformers' Llama and SigLIP together as that code does. Everything is computed eagerly in float32, one prompt at a
time. Each trap is computed too: what a model gives which does not look ahead, reads pages uncut, and so on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import torch
import transformers
from nemotron_vl_references import Reference, grid_of
from PIL import Image

__all__ = ["main"]

_DIGITS = 6
#: Traps of every model, of those that see, of embedders and of rerankers.
_ALL = ("causal", "last token", "default rope")
_SEEING = ("one tile", "no thumbnail", "columns first", "no wrapper tokens", "pixel shuffle v1", "raw patches")
_EMBED = ("no prefix", "prefix without space")
_RERANK = ("no temperature", "sigmoid", "space after question", "text alone")


@torch.inference_mode()
def main(root: Path, goldens: Path) -> None:
    """Write a JSON file for each model."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    pictures = {name: _opened(root / "pictures" / f"{name}.png") for name in inputs["pictures"]}
    goldens.mkdir(exist_ok=True)
    for name, case in inputs["cases"].items():
        if not case["name"].startswith("llama"):
            continue
        reference = Reference.of(root / name)
        compute = _pairs if reference.reranks else _texts
        content = {
            "build": case,
            "versions": {library: version(library) for library in ("torch", "transformers")},
            "pictures": inputs["pictures"],
            "reference": reference.title,
            "grids": [
                [width, height, most, *grid_of(width, height, 512, most)]
                for width, height in inputs["sizes"]
                for most in (1, 2, 4, 6)
            ],
            **compute(reference, inputs, pictures),
        }
        (goldens / f"{name}.json").write_text(_to_json(content))
        print(name, {trap: _largest(content["scores"], scores) for trap, scores in content["flipped"].items()})


def _opened(path: Path) -> Image.Image:
    """Return an RGB picture; what is transparent is white."""
    image: Image.Image = Image.open(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def _items(
    reference: Reference, inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]
) -> dict[str, tuple[str, str | None]]:
    """Return texts and names of pictures, by name."""
    items: dict[str, tuple[str, str | None]] = {f"document {n}": (t, None) for n, t in enumerate(inputs["documents"])}
    if not reference.sees:
        return items
    text, name = inputs["both"]
    return items | {picture: ("", picture) for picture in pictures} | {"both": (text, name)}


def _texts(reference: Reference, inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> dict[str, Any]:
    """Return embeddings, and the cosines of each query with each document."""
    documents = _items(reference, inputs, pictures)
    items: dict[str, tuple[str, str, str | None]] = {}
    items |= {f"query {n}": ("query", text, None) for n, text in enumerate(inputs["queries"])}
    items |= {name: ("document", *item) for name, item in documents.items()}
    items["other"] = ("", inputs["documents"][0], None)
    if reference.sees:
        items["other both"] = ("", *documents["both"])

    def run(trap: str) -> dict[str, Any]:
        return {
            name: reference.embedding(role, text, pictures[picture] if picture else None, trap)
            for name, (role, text, picture) in items.items()
        }

    right = run("")
    rows = [
        {
            "name": name,
            "role": role,
            "text": text,
            "picture": picture,
            "written": right[name].written,
            "ids": right[name].ids,
            "tiles": right[name].tiles,
            "visual_tokens": right[name].visual_tokens,
            "vector": [round(value, _DIGITS) for value in right[name].result.tolist()],
        }
        for name, (role, text, picture) in items.items()
    ]
    traps = tuple(filter(reference.can_be, (*_ALL, *(_SEEING if reference.sees else ()), *_EMBED)))
    return {
        "prompts": rows,
        "scores": _cosines({name: found.result for name, found in right.items()}),
        "flipped": {trap: _cosines({name: found.result for name, found in run(trap).items()}) for trap in traps},
    }


def _cosines(vectors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    queries = {name: row for name, row in vectors.items() if name.startswith("query")}
    others = {name: row for name, row in vectors.items() if not name.startswith(("query", "other"))}
    return {
        query: {name: round(float(own @ row), _DIGITS) for name, row in others.items()}
        for query, own in queries.items()
    }


def _pairs(reference: Reference, inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> dict[str, Any]:
    """Return the logits of each query with each document."""
    documents = _items(reference, inputs, pictures)
    queries = {f"query {n}": text for n, text in enumerate(inputs["queries"])}

    def run(trap: str) -> dict[tuple[str, str], Any]:
        return {
            (query, name): reference.logit(queries[query], text, pictures[picture] if picture else None, trap)
            for query, (name, (text, picture)) in product(queries, documents.items())
        }

    def scores(found: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, float]]:
        return {
            query: {name: round(float(found[query, name].result), _DIGITS) for name in documents} for query in queries
        }

    right = run("")
    rows = [
        {
            "query": queries[query],
            "name": name,
            "text": documents[name][0],
            "picture": documents[name][1],
            "written": found.written,
            "ids": found.ids,
            "tiles": found.tiles,
            "visual_tokens": found.visual_tokens,
            "logit": round(float(found.result), _DIGITS),
        }
        for (query, name), found in right.items()
        if query == "query 0" or name in ("document 0", "both")
    ]
    traps = tuple(filter(reference.can_be, (*_ALL, *(_SEEING if reference.sees else ()), *_RERANK)))
    return {"prompts": rows, "scores": scores(right), "flipped": {trap: scores(run(trap)) for trap in traps}}


def _largest(right: Mapping[str, dict[str, float]], wrong: Mapping[str, dict[str, float]]) -> float:
    return max(abs(right[query][name] - score) for query, row in wrong.items() for name, score in row.items())


def _to_json(content: Mapping[str, Any]) -> str:
    """Write one line per prompt and per query's scores."""
    parts = []
    for key, value in content.items():
        if key == "prompts":
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
