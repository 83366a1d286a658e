"""References of embedders."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, util
from torch import Tensor
from torch.nn.functional import layer_norm, normalize

from cenote.testing.checkpoints import build_backbone, family
from cenote.testing.goldens import GoldenRow
from cenote.testing.references import embed_with_transformers, tokens_with_transformers
from golden_references.base import Reference

__all__ = [
    "jina_merged",
    "model2vec_static",
    "nomic_card",
    "peft_merged",
    "sentence_transformers_embedder",
    "transformers_embedder",
]


def sentence_transformers_embedder(row: GoldenRow, folder: Path) -> Reference:
    """sentence-transformers' `encode`, and the cosine of two encodings as a score."""
    model = SentenceTransformer(str(folder), device="cpu")

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        if method == "token_embed":
            return tokens_with_transformers(row.family, folder)(inputs)
        if method == "score":
            first, second = (model.encode([pair[side] for pair in inputs], convert_to_tensor=True) for side in (0, 1))
            return list(util.pairwise_cos_sim(first, second))
        cut = options.get("dimensions")
        vectors = model.encode(
            list(inputs),
            prompt_name=options.get("prompt_name"),
            truncate_dim=cut,
            normalize_embeddings=cut is not None,
            convert_to_tensor=True,
        )
        return list(vectors)

    return answer


def transformers_embedder(row: GoldenRow, folder: Path) -> Reference:
    """transformers' class for layouts that sentence-transformers reads with remote code only."""
    prompts = family(row.family).prompts

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        if method == "token_embed":
            return tokens_with_transformers(row.family, folder)(inputs)
        prompt = prompts[options["prompt_name"]] if "prompt_name" in options else ""
        return embed_with_transformers(row.family, folder)([prompt + text for text in inputs])

    return answer


def nomic_card(row: GoldenRow, folder: Path) -> Reference:
    """The model card's arithmetic of fewer dimensions: LayerNorm, cut, normalise."""
    tokens = tokens_with_transformers(row.family, folder)

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        means = [rows.mean(dim=0) for rows in tokens(inputs)]
        cut = options.get("dimensions")
        if cut is not None:
            means = [layer_norm(mean, mean.shape)[:cut] for mean in means]
        return [normalize(mean, dim=0) for mean in means]

    return answer


def model2vec_static(row: GoldenRow, folder: Path) -> Reference:
    """model2vec's own encoding."""
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(folder)
    return lambda method, inputs, options: list(model.encode(list(inputs)))


def peft_merged(row: GoldenRow, folder: Path) -> Reference:
    """sentence-transformers with a model into which peft has merged the adapter."""

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        model = SentenceTransformer(str(folder), device="cpu")
        if "lora" in options:
            adapted = PeftModel.from_pretrained(build_backbone(row.family), str(folder.parent / options["lora"]))
            transformer: Any = model[0]
            transformer.model.load_state_dict(adapted.merge_and_unload().state_dict())
        return list(model.encode(list(inputs), convert_to_tensor=True))

    return answer


def jina_merged(row: GoldenRow, folder: Path) -> Reference:
    """transformers' class with one adapter merged by the published formula, and the adapter's instruction in front."""
    config = json.loads((folder / "config.json").read_text())

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        task = options.get("lora")
        instruction = config["task_instructions"][task] if task else ""
        with tempfile.TemporaryDirectory() as scratch:
            save_file(_merged(folder, config, task), Path(scratch) / "model.safetensors", metadata={"format": "pt"})
            settings = {**config, "model_type": "jina_embeddings_v3"}
            (Path(scratch) / "config.json").write_text(json.dumps(settings))
            model, info = transformers.AutoModel.from_pretrained(scratch, output_loading_info=True)
        assert not info["missing_keys"]
        tokenizer = transformers.XLMRobertaTokenizer.from_pretrained(folder)
        vectors = []
        for text in inputs:
            ids = tokenizer(instruction + text.strip(), truncation=True, max_length=128, return_tensors="pt")[
                "input_ids"
            ]
            vectors.append(model.eval()(ids).last_hidden_state[0].mean(dim=0)[: options.get("dimensions")])
        return [normalize(vector, dim=0) for vector in vectors]

    return answer


def _merged(folder: Path, config: Mapping[str, Any], task: str | None) -> dict[str, Tensor]:
    """Return plain weights: the original, plus alpha / r times the product of the adapter's two factors."""
    stored = load_file(folder / "model.safetensors")
    ending = ".parametrizations.weight.original"
    merged = {name: value for name, value in stored.items() if ".parametrizations." not in name}
    for name, original in stored.items():
        if not name.endswith(ending):
            continue
        stem = name.removesuffix(ending)
        weight = original
        if task is not None:
            index = config["lora_adaptations"].index(task)
            first, second = (stored[f"{stem}.parametrizations.weight.0.lora_{part}"][index] for part in "AB")
            product = first @ second if "_embeddings" in stem else second @ first
            weight = original + config["lora_alpha"] / config["lora_rank"] * product
        merged[f"{stem}.weight"] = torch.clone(weight)
    return merged
