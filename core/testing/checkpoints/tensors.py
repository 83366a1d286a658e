"""From the weights of a transformers model to the tensors of the published file."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.models import build_backbone
from cenote.testing.checkpoints.weights import random_tensor

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["published_tensors", "random_tensors"]

#: Spread of biases in `random_tensors`.
_BIAS_STD = 0.15
_WORDS = "embeddings.word_embeddings.weight"


def published_tensors(
    chosen: Family, config: Mapping[str, Any], *, labels: tuple[str, ...] | None, prefix: str | None, pooler: bool
) -> dict[str, Tensor]:
    """Return the tensors under their published names, in float32.

    Args:
        chosen: family.
        config: published keys of its `config.json`.
        labels: names of the labels; None is the family's own.
        prefix: what stands before the backbone's names; None is the family's own.
        pooler: keep the backbone's pooling layer where it has one.
    """
    prefix = chosen.prefix if prefix is None else prefix
    tensors = _backbone_tensors(chosen, labels, prefix)
    table = next((name for name in tensors if name.endswith(_WORDS)), _WORDS)
    if chosen.heads is not None:
        tensors |= random_tensors(chosen.name, chosen.heads(config), chosen.gain)
    if chosen.publish is not None:
        tensors = dict(chosen.publish(tensors, config))
    if not pooler:
        tensors = {name: value for name, value in tensors.items() if "pooler.dense." not in name}
    return tensors | _unread(chosen, table.removesuffix(_WORDS))


def random_tensors(seed: str, shapes: Mapping[str, tuple[int, ...]], gain: float) -> dict[str, Tensor]:
    """Return tensors of a head: matrices whose spread is `gain` divided by the square root of their inputs, biases."""
    spread = {name: _BIAS_STD if len(shape) == 1 else gain * shape[-1] ** -0.5 for name, shape in shapes.items()}
    return {name: random_tensor(f"{seed}/{name}", shape, spread[name]) for name, shape in shapes.items()}


def _backbone_tensors(chosen: Family, labels: tuple[str, ...] | None, prefix: str | None) -> dict[str, Tensor]:
    model = build_backbone(chosen.name, labels=labels)
    saved = dict(model.named_parameters()) if chosen.native_layout else _saved_names(model)
    own = _own_prefix(model, saved)
    return {_renamed(name, own, prefix): value.detach() for name, value in saved.items()}


def _own_prefix(model: PreTrainedModel, saved: Mapping[str, Tensor]) -> str:
    """Return the prefix of the backbone's tensors in a model with a head, or nothing if it is the bare backbone."""
    prefix = f"{model.base_model_prefix}."
    return prefix if any(name.startswith(prefix) for name in saved) else ""


def _renamed(name: str, own: str, prefix: str | None) -> str:
    if prefix is None or not name.startswith(own):
        return name
    return prefix + name.removeprefix(own)


def _unread(chosen: Family, prefix: str) -> dict[str, Tensor]:
    import torch

    tensors = {}
    for name, shape in chosen.extra_tensors.items():
        if name.endswith("position_ids"):
            tensors[prefix + name] = torch.arange(shape[-1]).reshape(shape)
        else:
            tensors[name] = random_tensor(name, shape, 1.0)
    return tensors


def _saved_names(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights as transformers saves them: under the names of the remote code, some of them fused."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as scratch:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            model.save_pretrained(scratch)
        return load_file(Path(scratch) / "model.safetensors")
