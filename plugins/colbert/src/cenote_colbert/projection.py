"""From hidden states to vectors of tokens: the weights, and to which sizes their vectors may be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.head import build_token_steps
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.checkpoints import Checkpoint, NormalizeModule, TransformerModule
from cenote.checkpoints.files import read_object
from cenote.checkpoints.modules import DenseModule, DropoutModule, Module
from cenote.errors import CheckpointError
from cenote.poolers import Dense
from cenote.poolers.heads import Step
from cenote_colbert.layouts import LINEAR
from cenote_colbert.multi_vector import is_mask, is_token_pooling
from cenote_colbert.packed import SIZES
from cenote_colbert.settings import LateSettings
from cenote_colbert.stanford import METADATA

__all__ = ["Projection", "build_projection"]

#: Keys of config.json that may say how large a vector is.
_SIZE_KEYS = ("colbert_dim", "dim", "projection_dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What makes vectors of hidden states.

    Attributes:
        steps: in order, in float32.
        size: components of a vector.
        sizes: to which vectors may be cut; empty with `cuts` for any.
        cuts: they may be cut at all.
        source: where the weights are.
    """

    steps: tuple[Step, ...]
    size: int
    cuts: bool
    sizes: tuple[int, ...]
    source: str


def build_projection(checkpoint: Checkpoint, settings: LateSettings, hidden_size: int, device: str) -> Projection:
    """Read the weights of a layout.

    Raises:
        CheckpointError: weights are missing or do not fit, a module cannot be built, or a file names another size.
    """
    if settings.layout in ("colbert-ai", "jina-colbert-v2"):
        weight = _inline(checkpoint, settings, hidden_size).to(device)
        steps: tuple[Step, ...] = (Dense(weight, None, lambda rows: rows),)
        size, source = weight.shape[0], LINEAR
    else:
        modules = _modules(checkpoint, settings)
        steps, size = build_token_steps(checkpoint, modules, hidden_size, device)
        source = ", ".join(module.path for module in modules) or "none"
    _check_numbers(steps, hidden_size, device)
    cuts, sizes = matryoshka_sizes(checkpoint)
    if not cuts and settings.layout == "jina-colbert-v2":
        sizes = tuple(value for value in SIZES if value <= size)
        cuts = bool(sizes)
    return Projection(steps=steps, size=size, cuts=cuts, sizes=sizes, source=source)


def _inline(checkpoint: Checkpoint, settings: LateSettings, hidden_size: int) -> Tensor:
    weight = checkpoint.read_tensor(LINEAR)
    if not weight.is_floating_point():
        raise CheckpointError(f"{LINEAR} holds {weight.dtype}; quantised projections cannot be read.")
    if weight.ndim != 2 or weight.shape[1] != hidden_size or checkpoint.has_tensor("linear.bias"):
        raise CheckpointError(
            f"{LINEAR} has shape {list(weight.shape)}, needed [size, {hidden_size}] and no linear.bias beside it."
        )
    named = {f"config.json: {key}": checkpoint.config.get(key) for key in _SIZE_KEYS}
    if checkpoint.config.get("model_type") == "distilbert":
        del named["config.json: dim"]  # it is the width of the backbone there
    if settings.layout == "colbert-ai" and checkpoint.has_file(METADATA):
        named[f"{METADATA}: dim"] = read_object(checkpoint.path / METADATA).get("dim")
    _check_size(named, weight.shape[0])
    return weight.float()


def _check_numbers(steps: Sequence[Step], hidden_size: int, device: str) -> None:
    """Refuse weights with NaN or infinity, which give either even for zeros."""
    rows = torch.zeros(1, hidden_size, device=device)
    for step in steps:
        rows = step(rows)
    if not bool(torch.isfinite(rows).all()):
        raise CheckpointError("The projection holds NaN or infinity; its weights are broken.")


def _check_size(named: Mapping[str, Any], size: int) -> None:
    for where, value in named.items():
        if value is not None and value != size:
            raise CheckpointError(f"{where} is {value!r}, but {LINEAR} gives vectors of size {size}.")


def _modules(checkpoint: Checkpoint, settings: LateSettings) -> list[Module]:
    """Return the modules to build, without a last normalisation, which is the head's own."""
    files = checkpoint.sentence_transformers
    pipeline = [] if files is None else list(files.pipeline)
    if not pipeline or not isinstance(pipeline[0], TransformerModule):
        raise CheckpointError("modules.json must begin with a Transformer.")
    idle = [item for item in pipeline[1:] if isinstance(item, DropoutModule) or is_mask(item) or is_token_pooling(item)]
    rest = [item for item in pipeline[1:] if item not in idle]
    if rest and isinstance(rest[-1], NormalizeModule):
        rest = rest[:-1]
    strange = [item.type for item in rest if not isinstance(item, DenseModule)] if settings.layout == "PyLate" else []
    if strange:  # PyLate itself leaves out what is no Dense
        raise CheckpointError(f"modules.json lists {', '.join(strange)}; PyLate's models are a Transformer and Dense.")
    return rest
