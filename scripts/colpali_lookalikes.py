"""Write what `colpali_goldens.py` and `nemotron_vl_goldens.py` read: look-alikes, texts and pictures.

python scripts/colpali_lookalikes.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture
from cenote.testing.texts import sample_texts

__all__ = ["main"]

#: Families and options of `build_checkpoint`, by the name of the file with their numbers.
_CASES: dict[str, dict[str, Any]] = {
    "colpali": {"name": "colpali"},
    "colpali_new": {"name": "colpali_new"},
    "colmodernvbert": {"name": "colmodernvbert"},
    "modernvbert_flat": {"name": "modernvbert_flat"},
    "llama_nemotron_vl": {"name": "llama_nemotron_vl"},
    "llama_nemotron_vl_rerank": {"name": "llama_nemotron_vl_rerank"},
    "llama_nemotron_vl_rerank_plain": {"name": "llama_nemotron_vl_rerank", "config": {"prompt_template": "none"}},
    "llama_bidirectional": {"name": "llama_bidirectional"},
    "llama_bidirectional_rerank": {"name": "llama_bidirectional_rerank"},
}
_QUERIES = ["How deep is the well?", "Wohin fließt das Wasser, \u6c34 \u3068 \u6d77?!", "  spaces around \n"]
_DOCUMENTS = [sample_texts()[2], " water\u00a0"]
#: Width, height, mode and seed.
_PICTURES = {
    "square": (64, 64, "RGB", 0),
    "wide": (150, 70, "RGB", 1),
    "tall": (61, 129, "L", 2),
    "clear": (96, 100, "RGBA", 3),
    "tiny": (20, 30, "RGB", 4),
    "page": (1275, 1650, "RGB", 5),
}
#: Widths and heights of which only tiles and tokens are counted.
_SIZES = [
    [1, 1],
    [64, 64],
    [640, 480],
    [1275, 1650],
    [1920, 1080],
    [1000, 1000],
    [48, 80],
    [20, 900],
    [3000, 400],
    [333, 1000],
]
#: A text that goes with a picture, and the picture.
_BOTH = ["  A page about water. ", "wide"]


def main(root: Path) -> None:
    """Write a folder for each case, the pictures, and `inputs.json`."""
    for name, case in _CASES.items():
        build_checkpoint(folder=root / name, **case)
    (root / "pictures").mkdir(exist_ok=True)
    for name, (width, height, mode, seed) in _PICTURES.items():
        sample_picture(width, height, mode, seed).save(root / "pictures" / f"{name}.png")
    inputs = {
        "cases": _CASES,
        "queries": _QUERIES,
        "documents": _DOCUMENTS,
        "pictures": _PICTURES,
        "both": _BOTH,
        "sizes": _SIZES,
    }
    (root / "inputs.json").write_text(json.dumps(inputs, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
