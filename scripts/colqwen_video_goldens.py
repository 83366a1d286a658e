"""Compute what the look-alike of ColQwen3.5 gives for videos in the reference, for its tests.

Run by hand, after `colqwen_lookalikes.py` and with what `colqwen_goldens.py` needs; nothing of cenote is
imported:

    python scripts/colqwen_video_goldens.py FOLDER plugins/colqwen/tests/goldens/video

The model is colpali-engine's, eager, in float32, one prompt at a time. colpali-engine writes no prompts for videos: the
layout is that of images with the words of Tomoro's code for ColQwen3. Frames, sizes, patches and moments come from
transformers' `Qwen3VLVideoProcessor` and `Qwen3VLProcessor`; where these call torchvision, the functions of torch are
called that torchvision calls. The moments stand in place of `<|vision_start|><|video_pad|><|vision_end|>`, as in
Tomoro's code and in vLLM 0.32; transformers 5.23 leaves one more pair of marks around all of them.
"""

from __future__ import annotations

import importlib
import json
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from colqwen_references import MODELS, Item, Reference
from transformers.video_utils import VideoMetadata

__all__ = ["main"]

# By their full names, which need no torchvision.
_VIDEO = importlib.import_module("transformers.models.qwen3_vl.video_processing_qwen3_vl")
_TEXT = importlib.import_module("transformers.models.qwen3_vl.processing_qwen3_vl").Qwen3VLProcessor
_DIGITS = 6
_QUERY = "How deep is the well?"
#: Frames, height, width and seed of `numpy.random.default_rng`, frames per second, the places of the frames where they
#: were chosen before, and the text beside the video.
_CASES: dict[str, dict[str, Any]] = {
    "as it is": {"pixels": [8, 64, 96, 1], "fps": 2.0},
    "sampled": {"pixels": [31, 64, 64, 2], "fps": 10.0},
    "resized": {"pixels": [5, 75, 110, 3], "fps": 2.0},
    "small": {"pixels": [4, 20, 33, 4], "fps": 1.0},
    "large": {"pixels": [6, 300, 500, 5], "fps": 2.0, "max_video_pixels": 200_000},
    "chosen": {"pixels": [3, 64, 64, 6], "fps": 23.976, "frames_indices": [0, 30, 61]},
    "with a text": {"pixels": [4, 64, 96, 7], "fps": 4.0, "text": "What happens?"},
}


class _Processor(_VIDEO.Qwen3VLVideoProcessor):  # type: ignore[name-defined, misc]
    """The processor, without torchvision."""

    def resize(self, videos: Any, size: Any, factor: int, temporal_factor: int, **_: Any) -> Any:
        limits = (size.shortest_edge, size.longest_edge)
        found = _VIDEO.smart_resize(videos.shape[1], *videos.shape[-2:], temporal_factor, factor, *limits)
        rows = torch.nn.functional.interpolate(videos.flatten(0, 1), found, mode="bicubic", antialias=True)
        return rows.reshape(*videos.shape[:2], *rows.shape[1:])

    def rescale_and_normalize(self, videos: Any, *_: Any) -> Any:
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.image_mean, self.image_std))
        return (videos.float() * self.rescale_factor - mean) / std


def main(root: Path, goldens: Path) -> None:
    """Write a JSON file and an array file."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(2)
    folder = root / "colqwen3_5"
    reference = MODELS["colqwen3_5"](folder)
    settings = json.loads((folder / "video_preprocessor_config.json").read_text())
    query = reference.vectors(Item("query", _QUERY))
    rows: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for name, case in _CASES.items():
        text, given = _prompt(case, settings, reference)
        vectors = reference.run(given, "")
        row = {"name": name, **case, "prompt": text, "ids": given["input_ids"][0].tolist()}
        row["grid"] = given["video_grid_thw"][0].tolist()
        row["score"] = round(float((query @ vectors.T).max(dim=1).values.sum()), _DIGITS)
        rows.append(row)
        arrays[name] = np.round(vectors.numpy().astype(np.float64), _DIGITS).astype(np.float32)
    versions = {library: version(library) for library in ("torch", "transformers", "colpali-engine")}
    goldens.mkdir(exist_ok=True, parents=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps({"build": {"name": "colqwen3_5"}, "versions": versions, "query": _QUERY})
    (goldens / "colqwen3_5.json").write_text(f'{head[:-1]},\n"videos": [\n{lines}\n]}}\n')
    np.savez_compressed(goldens / "colqwen3_5.npz", **arrays)


def _prompt(case: dict[str, Any], settings: dict[str, Any], reference: Reference) -> tuple[str, dict[str, Any]]:
    """Return the prompt with one placeholder per frame, and what the model is given."""
    *shape, seed = case["pixels"]
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    if "max_video_pixels" in case:
        settings = {**settings, "size": {**settings["size"], "longest_edge": case["max_video_pixels"]}}
    processor = _Processor(**settings)
    metadata = VideoMetadata(
        total_num_frames=shape[0], fps=case["fps"], frames_indices=list(case.get("frames_indices", ())) or None
    )
    read = processor(
        videos=[pixels],
        video_metadata=[metadata],
        do_sample_frames="frames_indices" not in case,
        do_convert_rgb=False,
        return_metadata=True,
        return_tensors="pt",
    )
    tokens = SimpleNamespace(
        video_processor=processor,
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
        _calculate_timestamps=partial(_TEXT._calculate_timestamps, None),
    )
    video = _TEXT.replace_video_token(tokens, read, 0)
    text = case.get("text", "")
    whole = f"<|im_start|>user\n{video}Describe the video.{f' {text}' if text else ''}<|im_end|><|endoftext|>"
    ids = torch.tensor([reference.tokenizer(whole, add_special_tokens=False)["input_ids"]])
    given = {
        "input_ids": ids,
        "pixel_values_videos": read["pixel_values_videos"],
        "video_grid_thw": read["video_grid_thw"],
        "mm_token_type_ids": 2 * (ids == reference.tokenizer.convert_tokens_to_ids("<|video_pad|>")).long(),
    }
    short = "<|video_pad|>".join(part for part in whole.split("<|video_pad|>") if part)
    return short, given


if __name__ == "__main__":
    with torch.inference_mode():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
