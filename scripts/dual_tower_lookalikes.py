"""Write what `scripts/dual_tower_goldens.py` reads: the look-alikes of CLIP and SigLIP, the texts and the pictures.

python scripts/dual_tower_lookalikes.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture
from cenote.testing.texts import sample_texts

__all__ = ["main"]

_FAMILIES = ("clip", "siglip")
_TEXTS = [
    "How deep is the well?",
    "Wohin fließt das Wasser, \u6c34 \u3068 \u6d77?!",
    "  spaces   around \n",
    "Water.",
    "rain <|endoftext|> water </s> deep",
    sample_texts()[2],
]
#: Width, height, mode and seed.
_PICTURES = {
    "square": (32, 32, "RGB", 0),
    "wide": (150, 70, "RGB", 1),
    "tall": (61, 129, "L", 2),
    "tiny": (20, 30, "RGB", 4),
    "page": (1275, 1650, "RGB", 5),
}


def main(root: Path) -> None:
    """Write a folder for each family, the pictures, and `inputs.json`."""
    for name in _FAMILIES:
        build_checkpoint(name, root / name)
    (root / "pictures").mkdir(exist_ok=True)
    for name, (width, height, mode, seed) in _PICTURES.items():
        sample_picture(width, height, mode, seed).save(root / "pictures" / f"{name}.png")
    inputs = {"texts": _TEXTS, "long": " ".join(sample_texts()) * 3, "pictures": _PICTURES}
    (root / "inputs.json").write_text(json.dumps(inputs, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
