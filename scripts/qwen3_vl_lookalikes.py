"""Write what `scripts/qwen3_vl_goldens.py` reads: look-alikes of Qwen3-VL-Embedding and -Reranker, texts and pictures.

python scripts/qwen3_vl_lookalikes.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture

__all__ = ["main"]

#: Families by what published models are called.
_MODELS = {
    "Qwen3-VL-Embedding-2B": "qwen3_vl_embedding",
    "Qwen3-VL-Reranker-2B": "qwen3_vl_reranker",
    "Qwen3-VL-Reranker-8B": "qwen3_vl_reranker_untied",
}
#: Width, height, mode and seed.
_PICTURES = {
    "square": (64, 64, "RGB", 0),
    "wide": (150, 70, "RGB", 1),
    "tall": (61, 129, "L", 2),
    "clear": (96, 100, "RGBA", 3),
    "tiny": (20, 30, "RGB", 4),
}
#: Inputs of the embedder, by the arguments of its own code.
_EMBEDDED: list[dict[str, Any]] = [
    {"text": "How deep is the well?"},
    {"text": "Wohin fließt das Wasser, \u6c34 \u3068 \u6d77?!"},
    {"text": "  spaces around \n"},
    {"text": "How deep is the well?", "instruction": "Retrieve images or text relevant to the user's query."},
    {"text": "How deep is the well?", "instruction": "  Find a well  "},
    {"text": "How deep is the well?", "instruction": "Which well?"},
    {"text": ""},
    *({"images": [name]} for name in _PICTURES),
    {"images": ["wide"], "text": "A page about water."},
    {"images": ["wide"], "text": "A page about water.", "instruction": "Find pages"},
    {"images": ["wide", "tiny"], "text": "Two pages."},
    {"images": ["tiny", "wide"]},
]
_WELL = {"text": "How deep is the well?"}
#: Pairs of the rerankers.
_RANKED: list[dict[str, Any]] = [
    {"query": _WELL, "document": {"text": "It is twelve metres deep."}},
    {"query": _WELL, "document": {"text": " Rain\nfalls. "}},
    {"query": _WELL, "document": {"images": ["square"]}},
    {"query": _WELL, "document": {"images": ["clear"], "text": "A page about wells."}},
    {"query": {"images": ["tall"]}, "document": {"text": "It is twelve metres deep."}},
    {"query": {"images": ["wide"], "text": "Which is alike?"}, "document": {"images": ["tiny"]}},
    {"query": {"images": ["tiny"]}, "document": {"images": ["wide"], "text": "A page"}},
    {"query": _WELL, "document": {"images": ["square", "tiny"]}},
    {"query": _WELL, "document": {"text": ""}},
    {"query": _WELL, "document": {"text": "It is twelve metres deep."}, "instruction": "Retrieve relevant pages."},
    {"query": _WELL, "document": {"images": ["square"]}, "instruction": "Retrieve relevant pages."},
]
#: Widths and heights of which only the visual tokens are counted.
_SIZES = [[64, 64], [224, 224], [700, 1000], [1275, 1650], [1700, 2200], [48, 80], [3000, 100], [4000, 4000]]


def main(root: Path) -> None:
    """Write a folder for each model, the pictures, and `inputs.json`."""
    for name, family in _MODELS.items():
        build_checkpoint(family, root / name)
    (root / "pictures").mkdir(exist_ok=True)
    for name, (width, height, mode, seed) in _PICTURES.items():
        sample_picture(width, height, mode, seed).save(root / "pictures" / f"{name}.png")
    inputs = {
        "models": _MODELS,
        "pictures": _PICTURES,
        "embedded": _EMBEDDED,
        "ranked": _RANKED,
        "sizes": _SIZES,
    }
    (root / "inputs.json").write_text(json.dumps(inputs, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
