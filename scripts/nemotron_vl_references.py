"""The models that `scripts/nemotron_vl_goldens.py` computes with; nothing of cenote is imported.

Sources: the code that comes with nvidia/llama-nemotron-embed-vl-1b-v2 and nvidia/llama-nemotron-rerank-vl-1b-v2, in
public copies and ports; vLLM 0.32 for the names of tensors. Llama and SigLIP are transformers' own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast, SiglipVisionConfig, SiglipVisionModel
from transformers.models.llama import modeling_llama

__all__ = ["Found", "Reference", "grid_of"]

_CONTEXT = "<IMG_CONTEXT>"
_TILES = {"min_input_tiles": 1, "max_input_tiles": 6, "use_thumbnail": True}


@dataclass(frozen=True)
class Found:
    """What was computed, and from what.

    Attributes:
        written: the prompt as text, with `<image>` for an image.
        ids: token ids.
        tiles: of its image, the thumbnail included.
        visual_tokens: placeholders among the ids.
        result: an embedding or a logit.
    """

    written: str
    ids: list[int]
    tiles: int
    visual_tokens: int
    result: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A model from the files of its folder."""

    settings: Mapping[str, Any]
    processor: Mapping[str, Any]
    tokenizer: Any
    language: Any
    rope: Any
    vision: Any
    projection: Any
    score: torch.Tensor | None

    @classmethod
    def of(cls, folder: Path) -> Reference:
        """Load a folder."""
        settings = json.loads((folder / "config.json").read_text())
        file = folder / "processor_config.json"
        stored = load_file(folder / "model.safetensors")
        score = stored.pop("score.weight", None)
        if score is not None:  # everything else of a reranker stands behind `model.`
            stored = {name.removeprefix("model."): value for name, value in stored.items()}
        vision, projection = None, None
        if "vision_config" in settings:
            vision, projection = _seeing(settings, stored)
            stored = _part(stored, "language_model.")
        own = settings.get("llm_config", settings)
        llama = {key: value for key, value in own.items() if key not in ("architectures", "auto_map", "model_type")}
        language = _llama(llama)
        language.load_state_dict(stored, strict=True)
        plain = _llama({**llama, "rope_scaling": None})
        return cls(
            settings=settings,
            processor=json.loads(file.read_text()) if file.exists() else {},
            tokenizer=PreTrainedTokenizerFast.from_pretrained(folder),
            language=language,
            rope=plain.rotary_emb,
            vision=vision,
            projection=projection,
            score=score,
        )

    @property
    def title(self) -> str:
        """Return what computes."""
        seeing = ", SiglipVisionModel and a projection" if self.sees else ""
        return f"transformers' LlamaModel without mask{seeing}, as in the code of {self.settings['architectures'][0]}"

    @property
    def reranks(self) -> bool:
        """Tell whether there is a head."""
        return self.score is not None

    @property
    def sees(self) -> bool:
        """Tell whether images are read."""
        return self.vision is not None

    def can_be(self, trap: str) -> bool:
        """Tell whether this mistake changes anything."""
        if trap == "columns first":  # with two tiles at most, there is one column or one row
            return bool(self.processor.get("max_input_tiles", self.settings.get("max_input_tiles", 6)) > 2)
        return trap != "space after question" or self.settings.get("prompt_template", "v1") == "v1"

    def embedding(self, role: str, text: str, image: Image.Image | None, trap: str) -> Found:
        """Return an embedding of length one."""
        words = {"query": "query: ", "document": "passage: "}.get(role, "")
        words = {"no prefix": "", "prefix without space": words.rstrip()}.get(trap, words)
        found = self._run(words + ("<image> " if image is not None else "") + text, image, trap)
        return found(lambda mean: nn.functional.normalize(mean, dim=-1))

    def logit(self, query: str, text: str, image: Image.Image | None, trap: str) -> Found:
        """Return the logit of a pair, as the code gives it: divided by the temperature."""
        if self.settings.get("prompt_template", "v1") == "v1":
            space = " " if trap == "space after question" else ""
            written = f"question:{space}{query} \n \n passage:{text}"
        else:
            written = f"{query} \n {text}"
        if trap == "text alone":
            written = text
        temperature = 1.0 if trap == "no temperature" else self.settings["temperature"]

        def head(mean: torch.Tensor) -> torch.Tensor:
            assert self.score is not None
            value = nn.functional.linear(mean.float(), self.score.float())[0] / temperature
            return torch.sigmoid(value) if trap == "sigmoid" else value

        return self._run(("<image> " if image is not None else "") + written, image, trap)(head)

    def _run(
        self, written: str, image: Image.Image | None, trap: str
    ) -> Callable[[Callable[[torch.Tensor], torch.Tensor]], Found]:
        """Return what makes a result of the mean of the last hidden states."""
        tiles = [] if image is None else self._tiles(image, trap)
        count = self._tokens_of_a_tile() * len(tiles) if tiles else 0
        seen = _CONTEXT * count if trap == "no wrapper tokens" else f"<img>{_CONTEXT * count}</img>"
        whole = written.replace("<image>", seen, 1) if tiles else written
        ids = self.tokenizer(whole)["input_ids"]
        hidden = self._hidden(torch.tensor([ids]), tiles, trap)
        mean = hidden[-1] if trap == "last token" else hidden.mean(dim=0)
        return lambda head: Found(written, list(ids), len(tiles), count, head(mean))

    def _hidden(self, ids: torch.Tensor, tiles: list[Image.Image], trap: str) -> torch.Tensor:
        rows = self.language.get_input_embeddings()(ids)
        if tiles:
            context = self.tokenizer.convert_tokens_to_ids(_CONTEXT)
            rows[ids == context] = self._visual(tiles, trap).flatten(0, 1)
        both_ways = patch.object(modeling_llama, "create_causal_mask", lambda **_: None)
        rope = patch.object(self.language, "rotary_emb", self.rope)
        with nullcontext() if trap == "causal" else both_ways, rope if trap == "default rope" else nullcontext():
            hidden: torch.Tensor = self.language(inputs_embeds=rows, use_cache=False).last_hidden_state[0]
        return hidden

    def _tokens_of_a_tile(self) -> int:
        side = self.settings["force_image_size"] // self.settings["vision_config"]["patch_size"]
        return int(side**2 * self.settings["downsample_ratio"] ** 2)

    def _visual(self, tiles: list[Image.Image], trap: str) -> torch.Tensor:
        """Return [tiles, tokens, hidden]. Source: `extract_feature`."""
        pixels = np.stack([np.asarray(tile, dtype=np.float32) / 255 for tile in tiles])
        given = torch.from_numpy((pixels - 0.5) / 0.5).permute(0, 3, 1, 2)
        if trap == "raw patches":
            hidden = self.vision(given, output_hidden_states=True).hidden_states[-1]
        else:
            hidden = self.vision(given).last_hidden_state
        version = "v1" if trap == "pixel shuffle v1" else self.settings["ps_version"]
        side = int(hidden.shape[1] ** 0.5)
        square = hidden.reshape(len(hidden), side, side, -1)
        merged = _pixel_shuffle(square, self.settings["downsample_ratio"], version)
        rows: torch.Tensor = self.projection(merged.reshape(len(merged), -1, merged.shape[-1]))
        return rows

    def _tiles(self, image: Image.Image, trap: str) -> list[Image.Image]:
        """Return the tiles of an image. Source: `dynamic_preprocess`."""
        size = self.settings["force_image_size"]
        found = {key: self.processor.get(key, self.settings.get(key, value)) for key, value in _TILES.items()}
        most = 1 if trap == "one tile" else found["max_input_tiles"]
        columns, rows = grid_of(*image.size, size, most, found["min_input_tiles"])
        whole = image.resize((columns * size, rows * size))
        places = [(column, row) for row in range(rows) for column in range(columns)]
        if trap == "columns first":
            places.sort()
        tiles = [whole.crop((x * size, y * size, (x + 1) * size, (y + 1) * size)) for x, y in places]
        if found["use_thumbnail"] and len(tiles) > 1 and trap != "no thumbnail":
            tiles.append(image.resize((size, size)))
        return tiles


def grid_of(width: int, height: int, size: int, most: int, fewest: int = 1) -> tuple[int, int]:
    """Return columns and rows of tiles. Source: `find_closest_aspect_ratio` of the same processors."""
    ratios = {
        (i, j)
        for n in range(fewest, most + 1)
        for i in range(1, n + 1)
        for j in range(1, n + 1)
        if fewest <= i * j <= most
    }
    best, chosen = float("-inf"), (1, 1)
    shape = width / height
    for ratio in sorted(ratios, key=lambda ratio: ratio[0] * ratio[1]):
        target = ratio[0] / ratio[1]
        covered = (ratio[0] * ratio[1] * size * size) / (width * height)
        fit = min(covered, 0.6) * min(target / shape, shape / target)
        if fit > best:
            best, chosen = fit, ratio
    return chosen


def _pixel_shuffle(x: torch.Tensor, factor: float, version: str) -> torch.Tensor:
    """Source: `pixel_shuffle` of InternVL, which the code takes over."""
    n, w, h, c = x.shape
    x = x.reshape(n, w, int(h * factor), int(c / factor)).permute(0, 2, 1, 3)
    x = x.reshape(n, int(h * factor), int(w * factor), int(c / (factor * factor)))
    return x if version == "v1" else x.permute(0, 2, 1, 3)


def _llama(settings: Mapping[str, Any]) -> Any:
    config = LlamaConfig(**settings)
    config._attn_implementation = "eager"
    return LlamaModel(config).eval()  # type: ignore[no-untyped-call]


def _seeing(settings: Mapping[str, Any], stored: Mapping[str, torch.Tensor]) -> tuple[Any, Any]:
    config = SiglipVisionConfig(
        **{key: value for key, value in settings["vision_config"].items() if key != "model_type"}
    )
    config._attn_implementation = "eager"
    vision = SiglipVisionModel(config).eval()  # type: ignore[no-untyped-call]
    vision.load_state_dict(_part(stored, "vision_model.vision_model."), strict=True)
    own = _part(stored, "mlp1.")
    merged, hidden = own["0.weight"].shape[0], own["3.bias"].shape[0]
    projection = nn.Sequential(nn.LayerNorm(merged), nn.Linear(merged, hidden), nn.GELU(), nn.Linear(hidden, hidden))
    projection.load_state_dict(own, strict=True)
    return vision, projection


def _part(stored: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
