"""Compute what look-alikes of ColPali and ColModernVBERT give in transformers, for `plugins/colpali/tests/goldens`.

Run by hand; nothing of cenote is imported. First, with cenote:

    python scripts/colpali_lookalikes.py FOLDER

then, with torch 2.13.0 and transformers 5.23.0 (and colpali-engine 0.3.18, where it is installed, to compare with):

    python scripts/colpali_goldens.py FOLDER plugins/colpali/tests/goldens

Everything is computed eagerly in float32, one prompt at a time, by transformers' own classes of models and processors,
whose image processors are those on Pillow. Each trap is computed too: the scores that a model gives which loses its
bias, does not look ahead, does not cut pages into tiles, and so on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColModernVBertProcessor,
    ColPaliForRetrieval,
    ColPaliProcessor,
    Idefics3ImageProcessorPil,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)

__all__ = ["main"]

_DIGITS = 6
_BOTH = ("no bias", "no augmentation", "no visual prompt")


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """A model and its processor.

    Attributes:
        model: transformers' own.
        processor: transformers' own.
        wrong: from the model's input and a mistake to the input as the mistake makes it.
        traps: names of the mistakes.
        flipped: the mistake that is made.
    """

    model: Any
    processor: Any
    wrong: Callable[[dict[str, Any], str], dict[str, Any]]
    traps: tuple[str, ...]
    flipped: str = field(default="")

    def given(self, text: str, image: Image.Image | None) -> dict[str, Any]:
        """Return the input of the model for a text, read as a query, or an image."""
        changed = {"no augmentation": {"suffix": "\n" if isinstance(self.model, ColPaliForRetrieval) else ""}}
        if image is None:
            found = self.processor.process_queries(text=[text], **changed.get(self.flipped, {}))
        else:
            before = self.processor.visual_prompt_prefix
            if self.flipped == "no visual prompt":
                self.processor.visual_prompt_prefix = "" if "<image>" not in before else "<image>"
            if self.flipped == "no tiles":
                self.processor.image_processor.do_image_splitting = False
            found = self.processor.process_images(images=[image])
            self.processor.visual_prompt_prefix = before
            if self.flipped == "no tiles":
                self.processor.image_processor.do_image_splitting = True
        given = {name: value for name, value in found.items() if name != "labels"}
        return self.wrong(given, self.flipped) if self.flipped else given

    def vectors(self, given: dict[str, Any]) -> torch.Tensor:
        """Return [tokens, size]."""
        bias = self.model.embedding_proj_layer.bias
        kept = bias.clone()
        if self.flipped == "no bias":
            bias.zero_()
        rows: torch.Tensor = self.model(**given).embeddings[0]
        bias.copy_(kept)
        return rows


@torch.no_grad()
def main(root: Path, goldens: Path) -> None:
    """Write a JSON file and an array file for each model."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    pictures = {name: _opened(root / "pictures" / f"{name}.png") for name in inputs["pictures"]}
    goldens.mkdir(exist_ok=True)
    for name, build in _MODELS.items():
        content, arrays = _computed(build(root / name), inputs, pictures)
        versions = {library: version(library) for library in ("torch", "transformers")}
        head = {"build": inputs["cases"][name], "versions": versions, "pictures": inputs["pictures"]}
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


def _computed(
    reference: _Reference, inputs: Mapping[str, Any], pictures: Mapping[str, Image.Image]
) -> tuple[dict[str, Any], dict[str, Any]]:
    items: dict[str, tuple[str, str | None]] = {f"query {n}": (text, None) for n, text in enumerate(inputs["queries"])}
    items |= {name: ("", name) for name in pictures}

    def run(own: _Reference) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        given = {
            name: own.given(text, None if picture is None else pictures[picture])
            for name, (text, picture) in items.items()
        }
        return given, {name: own.vectors(value) for name, value in given.items()}

    given, vectors = run(reference)
    image = reference.processor.image_token_id
    rows = []
    for name, (text, picture) in items.items():
        ids = given[name]["input_ids"][0].tolist()
        written = reference.processor.tokenizer.decode(ids, skip_special_tokens=False)
        facts = {"name": name, "role": "document" if picture else "query", "text": text, "picture": picture}
        rows.append({**facts, "ids": ids, "visual_tokens": ids.count(image), "written": written})
    content = {
        "reference": f"transformers' {type(reference.model).__name__} and {type(reference.processor).__name__}",
        "counts": [[*size, _tokens(reference, *size)] for size in inputs["sizes"]],
        "prompts": rows,
        "scores": _scores(vectors),
        "flipped": {trap: _scores(run(replace(reference, flipped=trap))[1]) for trap in reference.traps},
    }
    return content, {
        name: np.round(rows.numpy().astype(np.float64), _DIGITS).astype(np.float32) for name, rows in vectors.items()
    }


def _tokens(reference: _Reference, width: int, height: int) -> int:
    """Return the tokens of an image's prompt."""
    return len(reference.given("", Image.new("RGB", (width, height)))["input_ids"][0])


def _scores(vectors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    """Return the sums of best matches of each query with every picture, and of the first with itself."""
    queries = {name: rows for name, rows in vectors.items() if name.startswith("query")}
    others = {name: rows for name, rows in vectors.items() if name not in queries}
    return {
        query: {name: round(float((own @ rows.T).max(dim=1).values.sum()), _DIGITS) for name, rows in others.items()}
        for query, own in queries.items()
    }


def _largest(right: Mapping[str, dict[str, float]], wrong: Mapping[str, dict[str, float]]) -> float:
    return max(abs(right[query][name] - score) for query, row in wrong.items() for name, score in row.items())


def _colpali(folder: Path) -> _Reference:
    model = ColPaliForRetrieval.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()  # type: ignore[no-untyped-call]

    class Processor(ColPaliProcessor):
        """Takes the image processor on Pillow."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
            return type(argument)

    processor = Processor(
        image_processor=SiglipImageProcessorPil.from_pretrained(folder),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(folder, add_bos_token=False),
    )
    tokenizer = processor.tokenizer
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"][-1]

    def wrong(given: dict[str, Any], trap: str) -> dict[str, Any]:
        ids = given["input_ids"]
        if trap == "causal":
            return {**given, "token_type_ids": torch.ones_like(ids)}
        kept = torch.ones_like(ids, dtype=torch.bool)
        if trap == "no newline":
            kept[0, -1] = ids[0, -1] != newline
        if trap == "no bos":
            kept = ids != tokenizer.bos_token_id
        if trap == "bos in front":
            ids = torch.cat([torch.full((1, 1), tokenizer.bos_token_id), ids], dim=1)
            kept = torch.ones_like(ids, dtype=torch.bool)
        if trap == "no prefix" and "pixel_values" not in given:
            prefix = tokenizer("Question: ", add_special_tokens=False)["input_ids"]
            kept[0, 1 : 1 + len(prefix)] = False
        ids = ids[kept][None]
        return {**given, "input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": ids * 0}

    traps = (*_BOTH, "causal", "no newline", "no bos", "bos in front", "no prefix")
    return _Reference(model=model, processor=processor, wrong=wrong, traps=traps)


def _colmodernvbert(folder: Path) -> _Reference:
    model = ColModernVBertForRetrieval.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return _modernvbert(folder, model.eval())  # type: ignore[no-untyped-call]


def _flat(folder: Path) -> _Reference:
    """Return the model of the older layout, whose names are given new ones here."""
    settings = json.loads((folder / "config.json").read_text())
    stored = load_file(folder / "model.safetensors")
    names = {
        name: name.replace("custom_text_proj.", "embedding_proj_layer.")
        .replace("model.vision_model.vision_model.", "vlm.vision_model.")
        .replace("model.text_model.", "vlm.text_model.")
        .replace("model.connector.", "vlm.connector.")
        for name in stored
    }
    size = len(stored["custom_text_proj.bias"])
    config = ColModernVBertConfig(
        vlm_config={key: value for key, value in settings.items() if key not in ("architectures", "torch_dtype")},
        embedding_dim=size,
    )
    config._attn_implementation = "eager"
    model = ColModernVBertForRetrieval(config).eval()  # type: ignore[no-untyped-call]
    model.load_state_dict({names[name]: value for name, value in stored.items()}, strict=True)
    return _modernvbert(folder, model)


def _modernvbert(folder: Path, model: Any) -> _Reference:
    class Processor(ColModernVBertProcessor):
        """Takes the image processor on Pillow."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
            return type(argument)

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    processor = Processor(
        image_processor=Idefics3ImageProcessorPil.from_pretrained(folder),
        tokenizer=tokenizer,
        **{"image_seq_len": json.loads((folder / "processor_config.json").read_text())["image_seq_len"]},
    )
    added = set(tokenizer.get_added_vocab())
    marks = {
        tokenizer.convert_tokens_to_ids(token) for token in added if token.startswith(("<row", "<global", "<fake"))
    }
    ends = {tokenizer.cls_token_id, tokenizer.sep_token_id}

    def wrong(given: dict[str, Any], trap: str) -> dict[str, Any]:
        gone = {"no wrapper tokens": marks, "no special tokens": ends}.get(trap, set())
        ids = given["input_ids"]
        kept = torch.tensor([[token not in gone for token in ids[0].tolist()]])
        ids = ids[kept][None]
        given = {**given, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if trap == "tiles turned round" and "pixel_values" in given:
            given["pixel_values"] = given["pixel_values"].flip(1)
        return given

    traps = (*_BOTH, "no tiles", "no wrapper tokens", "no special tokens", "tiles turned round")
    return _Reference(model=model, processor=processor, wrong=wrong, traps=traps)


_MODELS: Mapping[str, Callable[[Path], _Reference]] = {
    "colpali": _colpali,
    "colpali_new": _colpali,
    "colmodernvbert": _colmodernvbert,
    "modernvbert_flat": _flat,
}


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
