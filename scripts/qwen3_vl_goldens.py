"""Compute what look-alikes of Qwen3-VL-Embedding and Qwen3-VL-Reranker give, for `tests/adapters/goldens`.

Run by hand; nothing of cenote is imported. First, with cenote:

    python scripts/qwen3_vl_lookalikes.py FOLDER

then, with torch 2.13.0 and transformers 5.23.0:

    python scripts/qwen3_vl_goldens.py FOLDER tests/adapters/goldens/qwen3_vl.json

Everything is computed eagerly in float32, one prompt at a time, as `scripts/qwen3_vl_embedding.py` and
`scripts/qwen3_vl_reranker.py` of the model cards do it: messages for the chat template, images resized as qwen-vl-utils
resizes them within the limits of those scripts, and transformers' Qwen3-VL.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen3VLForConditionalGeneration

__all__ = ["main"]

_DIGITS = 6
_FACTOR = 32
_LIMITS = {"embedding": (4 * _FACTOR**2, 1800 * _FACTOR**2), "reranker": (4 * _FACTOR**2, 1280 * _FACTOR**2)}
_PLACEHOLDER = "<|image_pad|>"
_DEFAULT = "Represent the user's input."
_JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the "
    'answer can only be "yes" or "no".'
)
_TASK = "Given a search query, retrieve relevant candidates that answer the query."


def main(root: Path, file: Path) -> None:
    """Write one JSON file for all models."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    pictures = {name: _opened(root / "pictures" / f"{name}.png") for name in inputs["pictures"]}
    content: dict[str, Any] = {
        "versions": {library: version(library) for library in ("torch", "transformers")},
        "models": inputs["models"],
        "pictures": inputs["pictures"],
        "counts": {
            kind: [[*size, _tokens(*_resized(size[0], size[1], limits))] for size in inputs["sizes"]]
            for kind, limits in _LIMITS.items()
        },
    }
    for name in inputs["models"]:
        model = _Model(root / name, pictures, "reranker" if "Reranker" in name else "embedding")
        rows = inputs["ranked"] if "Reranker" in name else inputs["embedded"]
        content[name] = [model.row(row) for row in rows]
    file.write_text(_to_json(content))


def _opened(path: Path) -> Image.Image:
    """Return an RGB picture; what is transparent is white, as in transformers' own loading."""
    image: Image.Image = Image.open(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def _resized(width: int, height: int, limits: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height that qwen-vl-utils 0.0.14 resizes an image to."""
    wide, high = (max(_FACTOR, round(side / _FACTOR) * _FACTOR) for side in (width, height))
    if wide * high > limits[1]:
        shrink = math.sqrt(width * height / limits[1])
        return math.floor(width / shrink / _FACTOR) * _FACTOR, math.floor(height / shrink / _FACTOR) * _FACTOR
    if wide * high < limits[0]:
        grow = math.sqrt(limits[0] / (width * height))
        return math.ceil(width * grow / _FACTOR) * _FACTOR, math.ceil(height * grow / _FACTOR) * _FACTOR
    return wide, high


def _tokens(width: int, height: int) -> int:
    return width * height // _FACTOR**2


class _Model:
    """A model with its tokenizer and image processor."""

    def __init__(self, folder: Path, pictures: Mapping[str, Image.Image], kind: str) -> None:
        model_class: Any = Qwen3VLForConditionalGeneration
        self._model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        self._model.eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._images = Qwen2VLImageProcessorPil.from_pretrained(folder)
        self._pictures = pictures
        self._kind = kind

    @torch.no_grad()
    def row(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was given, the prompt, its ids, and the vector or the score."""
        messages = _embedded(given) if self._kind == "embedding" else _ranked(given)
        prompt = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        names = [part["image"] for message in messages for part in message["content"] if part["type"] == "image"]
        ids, hidden = self._run(prompt, [self._pictures[name] for name in names])
        result = {"vector": self._vector(hidden)} if self._kind == "embedding" else {"score": self._score(hidden)}
        return {**given, "prompt": prompt, "ids": ids, **result}

    def _run(self, prompt: str, pictures: Sequence[Image.Image]) -> tuple[list[int], torch.Tensor]:
        """Return the ids, with as many placeholders as an image has tokens, and the last hidden state."""
        extra: dict[str, Any] = {}
        if pictures:
            sized = [picture.resize(_resized(*picture.size, _LIMITS[self._kind])) for picture in pictures]
            extra = dict(self._images(images=sized, do_resize=False, return_tensors="pt"))
            counts = iter([int(grid.prod()) // 4 for grid in extra["image_grid_thw"]])
            parts = prompt.split(_PLACEHOLDER)
            prompt = parts[0] + "".join(_PLACEHOLDER * next(counts) + part for part in parts[1:])
        encoded = self._tokenizer(prompt, return_tensors="pt")
        row = encoded["input_ids"]
        extra["mm_token_type_ids"] = (row == self._model.config.image_token_id).int()
        output = self._model.model(input_ids=row, attention_mask=encoded["attention_mask"], **extra)
        return row[0].tolist(), output.last_hidden_state[0, -1]

    def _vector(self, hidden: torch.Tensor) -> list[float]:
        return [round(value, _DIGITS) for value in torch.nn.functional.normalize(hidden, dim=0).tolist()]

    def _score(self, hidden: torch.Tensor) -> float:
        vocabulary, rows = self._tokenizer.get_vocab(), self._model.lm_head.weight
        return round(torch.sigmoid(hidden @ (rows[vocabulary["yes"]] - rows[vocabulary["no"]])).item(), _DIGITS)


def _embedded(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of `format_model_input`."""
    instruction = given.get("instruction", _DEFAULT).strip()
    if not unicodedata.category(instruction[-1]).startswith("P"):
        instruction += "."
    content = _content(given)
    return [{"role": "system", "content": [_text(instruction)]}, {"role": "user", "content": content}]


def _ranked(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of `format_mm_instruction`."""
    content = [
        _text("<Instruct>: " + given.get("instruction", _TASK)),
        _text("<Query>:"),
        *_content(given["query"]),
        _text("\n<Document>:"),
        *_content(given["document"]),
    ]
    return [{"role": "system", "content": [_text(_JUDGE)]}, {"role": "user", "content": content}]


def _content(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    images = [{"type": "image", "image": name} for name in given.get("images", ())]
    texts = [_text(given["text"])] if given.get("text") else []
    return [*images, *texts] or [_text("NULL")]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _to_json(content: Mapping[str, Any]) -> str:
    """Write one line per prompt."""
    parts = []
    for key, value in content.items():
        if key in content["models"]:
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
