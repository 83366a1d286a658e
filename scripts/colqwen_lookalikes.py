"""Write what `scripts/colqwen_goldens.py` reads: the look-alikes of ColQwen models, the texts and the pictures.

python scripts/colqwen_lookalikes.py FOLDER
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
    "colqwen3": {"name": "colqwen3"},
    "ops_colqwen3": {"name": "ops_colqwen3"},
    "ops_colqwen3_cut": {"name": "ops_colqwen3", "config": {"dims": 24}},
    "nemotron_colembed": {"name": "nemotron_colembed"},
    "colqwen3_5": {"name": "colqwen3_5"},
}
_QUERIES = ["How deep is the well?", "Wohin fließt das Wasser, \u6c34 \u3068 \u6d77?!", "  spaces around \n"]
_DOCUMENTS = [sample_texts()[2], " water\u00a0"]
#: Width, height, mode and seed; the last one has more visual tokens than some models take.
_PICTURES = {
    "square": (64, 64, "RGB", 0),
    "wide": (150, 70, "RGB", 1),
    "tall": (61, 129, "L", 2),
    "clear": (96, 100, "RGBA", 3),
    "tiny": (20, 30, "RGB", 4),
    "page": (1275, 1650, "RGB", 5),
}
#: Widths and heights of which only the visual tokens are counted.
_SIZES = [
    [1, 1],
    [64, 64],
    [224, 224],
    [700, 1000],
    [1275, 1650],
    [1700, 2200],
    [48, 80],
    [1, 200],
    [3000, 40],
    [4000, 4000],
    [6000, 5000],
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
