"""Tiny low-rank adapters in the layout that peft saves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cenote.testing.checkpoints.models import build_backbone
from cenote.testing.checkpoints.weights import random_tensor

__all__ = ["build_adapter"]

#: Layers that adapters are mostly trained for, in the names of BERT and of Llama's relatives.
_TARGETS = ("query", "value", "q_proj", "v_proj")


def build_adapter(
    base: str, name: str, folder: str | Path, *, rank: int = 4, alpha: int = 8, targets: Sequence[str] = _TARGETS
) -> Path:
    """Write an adapter for a look-alike embedder; the same arguments give the same bytes.

    Args:
        base: family of the checkpoint that it belongs to.
        name: another name gives other weights.
        folder: where to; created if missing.
        rank: of the two factors.
        alpha: their product is multiplied by `alpha / rank`.
        targets: names of the linear layers that are adapted, those that the model lacks excepted.

    Returns:
        The folder.
    """
    import torch
    from safetensors.torch import save_file

    layers = {
        path: module
        for path, module in build_backbone(base).named_modules()
        if isinstance(module, torch.nn.Linear) and path.rpartition(".")[2] in targets
    }
    tensors = {}
    for path, layer in layers.items():
        stem = f"base_model.model.{path}"
        seed = f"{base}/{name}/{path}"
        down = random_tensor(f"{seed}/A", (rank, layer.in_features), layer.in_features**-0.5)
        tensors[f"{stem}.lora_A.weight"] = down
        tensors[f"{stem}.lora_B.weight"] = random_tensor(f"{seed}/B", (layer.out_features, rank), 1.0)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "alpha_pattern": {},
        "auto_mapping": None,
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": {},
        "target_modules": sorted({path.rpartition(".")[2] for path in layers}),
        "task_type": "FEATURE_EXTRACTION",
        "use_dora": False,
        "use_rslora": False,
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder
