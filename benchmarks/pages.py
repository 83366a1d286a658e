"""How many pages a second does a late-interaction model on Qwen3-VL embed, beside transformers with the same weights?

A model of middling size with random weights, and pages of unlike sizes: resized, cut into patches and embedded. What
transformers runs is its own forward with its own attention (sdpa), one page after the other, and all pages as a padded
batch. Vectors are compared while measuring.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from harness.options import ROUNDS, whole
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLModel

from cenote import LLM
from cenote.testing.bench import machine
from cenote.testing.checkpoints import build_checkpoint

TEXT = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 8, "head_dim": 64}
VISION = {"hidden_size": 512, "intermediate_size": 2048, "depth": 6, "num_heads": 8, "out_hidden_size": 512}
ROPE = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [12, 10, 10], "mrope_interleaved": True}
SIZES = ((1275, 1650), (1700, 2200), (1650, 1275), (640, 480), (900, 1200), (448, 448))
#: Pixels of the side of four patches, which become one token.
PATCH = 32
HEAD = "custom_text_proj"


def main() -> None:
    """Embed pages in each way, in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=whole(1, 1000), default=6)
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=3)
    shrink = whole(1, min(map(min, SIZES)) // PATCH, f"no side under {PATCH} pixels")
    parser.add_argument("--shrink", type=shrink, default=1, help="divide the sides of the pages by this")
    options = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    pages = [page(number, options.shrink) for number in range(options.pages)]
    with tempfile.TemporaryDirectory() as name:
        folder = build(Path(name))
        with LLM(str(folder), max_model_len=4096, mm_processor_cache_gb=0) as llm:
            compare(llm, Peer(folder), pages, options.rounds)


def page(number: int, shrink: int) -> Image.Image:
    """Return a page of noise, so that nothing about it is cheap."""
    width, height = (side // shrink for side in SIZES[number % len(SIZES)])
    generator = torch.Generator().manual_seed(number)
    return Image.fromarray(torch.randint(256, (height, width, 3), dtype=torch.uint8, generator=generator).numpy())


def build(folder: Path) -> Path:
    """Write a model in the layout of Ops-ColQwen3 with the tokenizer of the look-alike, and return its folder."""
    build_checkpoint("ops_colqwen3", folder)
    file = folder / "config.json"
    known = json.loads(file.read_text())
    known["text_config"] |= {**TEXT, "num_key_value_heads": 2, "rope_parameters": ROPE, "rope_scaling": ROPE}
    known["vision_config"] |= {**VISION, "deepstack_visual_indexes": [1, 3, 5]}
    known["dims"] = TEXT["hidden_size"]
    file.write_text(json.dumps(known))
    parts = {name: known[name] for name in ("text_config", "vision_config", "image_token_id", "video_token_id")}
    torch.manual_seed(0)
    model = Qwen3VLModel(Qwen3VLConfig(**parts))
    size = TEXT["hidden_size"]
    head = {f"{HEAD}.weight": torch.randn(size, size) / size**0.5, f"{HEAD}.bias": torch.randn(size) / 10}
    save_file({**model.state_dict(), **head}, folder / "model.safetensors")
    file = folder / "preprocessor_config.json"
    size_limits = {"shortest_edge": 65536, "longest_edge": 1280 * 32 * 32}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"size": size_limits}))
    return folder


class Peer:
    """The same weights in transformers."""

    def __init__(self, folder: Path) -> None:
        stored = load_file(folder / "model.safetensors")
        known = json.loads((folder / "config.json").read_text())
        parts = {name: known[name] for name in ("text_config", "vision_config", "image_token_id", "video_token_id")}
        self.model: Any = Qwen3VLModel(Qwen3VLConfig(**parts))
        self.model.train(False)
        self.head = [stored.pop(f"{HEAD}.{name}") for name in ("weight", "bias")]
        self.model.load_state_dict(stored)
        self.images = Qwen2VLImageProcessorPil.from_pretrained(folder)

    @torch.inference_mode()
    def embed(self, pages: Sequence[Image.Image], ids: Sequence[list[int]]) -> list[Tensor]:
        """Return the vectors of pages, whose prompts have these ids, as one right-padded batch."""
        seen: Any = self.images(list(pages), return_tensors="pt")
        rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in ids], batch_first=True)
        lengths = torch.tensor([len(row) for row in ids])
        hidden = self.model(
            input_ids=rows,
            attention_mask=(torch.arange(rows.shape[1]) < lengths[:, None]).long(),
            pixel_values=seen["pixel_values"],
            image_grid_thw=seen["image_grid_thw"],
            mm_token_type_ids=(rows == self.model.config.image_token_id).int(),
        ).last_hidden_state
        vectors = F.normalize(F.linear(hidden, *self.head), dim=-1)
        return [row[:length] for row, length in zip(vectors, lengths.tolist(), strict=True)]


def compare(llm: LLM, peer: Peer, pages: Sequence[Image.Image], rounds: int) -> None:
    """Run each way in turns and print how long it takes.

    Raises:
        SystemExit: vectors differ.
    """
    prompts: list[Any] = [{"multi_modal_data": {"image": image}} for image in pages]
    outputs = llm.encode(prompts, pooling_task="token_embed", use_tqdm=False)
    ids = [output.prompt_token_ids for output in outputs]

    def one_by_one() -> list[Tensor]:
        return [peer.embed([image], [row])[0] for image, row in zip(pages, ids, strict=True)]

    ways: dict[str, Callable[[], list[Tensor]]] = {
        "cenote": lambda: [
            found.outputs.data for found in llm.encode(prompts, pooling_task="token_embed", use_tqdm=False)
        ],
        "transformers, one by one": one_by_one,
        "transformers, one padded batch": lambda: peer.embed(pages, ids),
    }
    expected = one_by_one()
    for name, way in ways.items():
        worst = max(float((one - other).abs().max()) for one, other in zip(way(), expected, strict=True))
        if worst > 1e-3:
            raise SystemExit(f"{name}: vectors differ by {worst:.1e}")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    tokens = sum(map(len, ids))
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name}: {len(pages) / median:.2f} pages/s, {tokens / median:.0f} tokens/s ({median * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
