"""Random weights that are the same on every machine, and how they are written."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["fill_parameters", "random_tensor", "write_pickle", "write_weights"]

#: Spread of biases and of norm weights around their initial value: enough for a lost one to show.
_SMALL_STD = 0.15


def random_tensor(name: str, shape: tuple[int, ...], std: float) -> Tensor:
    """Return normally distributed float32 numbers that depend on `name`, `shape` and `std` only.

    NumPy's PCG64 stream is the same on every machine; torch's depends on the vector units in use.
    """
    import torch

    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(np.asarray(values * np.float32(std)))


def fill_parameters(model: nn.Module, seed: str, *, gain: float, embedding_std: float) -> None:
    """Give every parameter random values.

    Args:
        model: freshly built; its norm weights hold their neutral value (1, or 0 for Gemma).
        seed: mixed into each parameter's name.
        gain: standard deviation of matrices, times the square root of their inputs.
        embedding_std: standard deviation of embedding tables.
    """
    import torch

    tables = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Embedding)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            owner = name.rpartition(".")[0]
            shape = tuple(parameter.shape)
            if name.endswith(".A_log"):  # construction draws it; half of the heads forget slowly
                parameter.copy_(random_tensor(f"{seed}/{name}", shape, 1.0) - 1.0)
            elif name.endswith(".class_embedding"):  # construction draws it
                parameter.copy_(random_tensor(f"{seed}/{name}", shape, embedding_std))
            elif parameter.ndim <= 1:
                # SigLIP's construction draws biases of about 1e-6.
                parameter.copy_(parameter.round(decimals=4) + random_tensor(f"{seed}/{name}", shape, _SMALL_STD))
            else:
                std = embedding_std if owner in tables else gain / math.sqrt(math.prod(shape[1:]))
                parameter.copy_(random_tensor(f"{seed}/{name}", shape, std))


def write_weights(tensors: Mapping[str, Tensor], folder: Path, *, sharded: bool, safetensors: bool) -> None:
    """Write tensors under the names that transformers looks for.

    Args:
        tensors: what to write.
        folder: where to.
        sharded: two files and an index in place of one file.
        safetensors: `model.safetensors`, otherwise `pytorch_model.bin`.
    """
    stem, ending = ("model", "safetensors") if safetensors else ("pytorch_model", "bin")
    if not sharded:
        _write(tensors, folder / f"{stem}.{ending}", safetensors=safetensors)
        return
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for part, chosen in enumerate((names[::2], names[1::2]), start=1):
        file = f"{stem}-{part:05}-of-00002.{ending}"
        _write({name: tensors[name] for name in chosen}, folder / file, safetensors=safetensors)
        weight_map.update(dict.fromkeys(chosen, file))
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index, indent=2))


def _write(tensors: Mapping[str, Tensor], path: Path, *, safetensors: bool) -> None:
    from safetensors.torch import save_file

    if safetensors:
        save_file(dict(tensors), path, metadata={"format": "pt"})
    else:
        write_pickle(tensors, path)


def write_pickle(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as torch does."""
    import torch

    torch.save(dict(tensors), path)
