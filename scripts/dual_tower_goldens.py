"""Compute what look-alikes of CLIP and SigLIP give in transformers, for `tests/adapters/goldens`.

Run by hand; nothing of cenote is imported. First, with cenote:

    python scripts/dual_tower_lookalikes.py FOLDER

then, with torch 2.13.0, transformers 5.23.0 and Pillow, without torchvision:

    python scripts/dual_tower_goldens.py FOLDER tests/adapters/goldens

Everything is computed eagerly in float32, one prompt at a time, with transformers' own processors. What a model gives
that is run the wrong way is computed too: SigLIP without its padding, images squeezed in place of cut.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

__all__ = ["main"]

_DIGITS = 7
_CLASSES: dict[str, tuple[Any, Any, Any]] = {
    "clip": (transformers.CLIPModel, transformers.AutoTokenizer, transformers.CLIPImageProcessorPil),
    "siglip": (transformers.SiglipModel, transformers.PreTrainedTokenizerFast, transformers.SiglipImageProcessorPil),
}
#: Prompts of zero-shot classification, which pads texts as here.
_PADDED = {"padding": "max_length"}


def main(root: Path, goldens: Path) -> None:
    """Write a JSON file for each family."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    pictures = {name: Image.open(root / "pictures" / f"{name}.png").convert("RGB") for name in inputs["pictures"]}
    goldens.mkdir(exist_ok=True)
    for name in _CLASSES:
        content = {
            "versions": {library: version(library) for library in ("torch", "transformers", "pillow")},
            "pictures": inputs["pictures"],
            **_computed(name, root / name, inputs, pictures),
        }
        (goldens / f"{name}.json").write_text(_to_json(content))
        print(name)


@torch.inference_mode()
def _computed(name: str, folder: Path, inputs: Any, pictures: dict[str, Any]) -> dict[str, Any]:
    model_class, tokenizer_class, processor_class = _CLASSES[name]
    model = model_class.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = tokenizer_class.from_pretrained(folder)
    processor = processor_class.from_pretrained(folder)
    padding = _PADDED if name == "siglip" else {}

    def read(text: str, **options: Any) -> dict[str, Any]:
        ids = tokenizer(text, truncation=True, **options)["input_ids"]
        vector = model.get_text_features(torch.tensor([ids])).pooler_output
        return {"text": text, "ids": ids, "vector": _normalized(vector)}

    def see(picture: Any, **options: Any) -> list[float]:
        pixels = processor(picture, return_tensors="pt", **options)["pixel_values"]
        return _normalized(model.get_image_features(pixels).pooler_output)

    side = model.config.vision_config.image_size
    squeezed = {"do_center_crop": False, "size": {"height": side, "width": side}}
    flipped = (
        {"unpadded": [read(text)["vector"] for text in inputs["texts"]]}
        if name == "siglip"
        else {"squeezed": [see(picture, **squeezed) for picture in pictures.values()]}
    )
    return {
        "texts": [read(text, **padding) for text in inputs["texts"]],
        "long": read(inputs["long"], **padding),
        "images": {picture: see(image) for picture, image in pictures.items()},
        "flipped": flipped,
    }


def _normalized(vectors: torch.Tensor) -> list[float]:
    row = torch.nn.functional.normalize(vectors[0].float(), dim=-1)
    return [round(value, _DIGITS) for value in row.tolist()]


def _to_json(content: dict[str, Any]) -> str:
    """Write one line per entry of the first two levels."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            shown = "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in value) + "\n]"
        elif key in ("images", "flipped"):
            lines = (f"{json.dumps(inner)}: {json.dumps(item)}" for inner, item in value.items())
            shown = "{\n" + ",\n".join(lines) + "\n}"
        else:
            shown = json.dumps(value, ensure_ascii=False)
        parts.append(f"{json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
