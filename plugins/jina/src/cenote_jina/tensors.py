"""The weights of jina-embeddings-v3: each matrix as stored, and what each task adds to it.

Every matrix `X.weight` is stored as torch's parametrisation keeps it: `X.parametrizations.weight.original`, and with
`0.lora_A` and `0.lora_B` the two factors of all tasks at once.

| | original | lora_A | lora_B | a task adds |
| --- | --- | --- | --- | --- |
| linear layer | [out, in] | [tasks, r, in] | [tasks, out, r] | B @ A |
| embedding | [rows, width] | [tasks, rows, r] | [tasks, r, width] | A @ B |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from cenote.adapters.lora import LowRank
from cenote.errors import CheckpointError
from cenote_jina.settings import TaskSettings

__all__ = ["base_weights", "merged_weights", "task_updates"]

_ORIGINAL = ".parametrizations.weight.original"
_FACTORS = (".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B")
_PREFIX = "roberta."
#: From the stored names of modules to those of transformers' class, where one becomes one.
_RENAMED = (
    (re.compile(r"^encoder\.layers\."), "layers."),
    (re.compile(r"\.mixer\.out_proj$"), ".self_attn.o_proj"),
)
_FUSED = ".mixer.Wqkv"
_PARTS = ("q_proj", "k_proj", "v_proj")


def base_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without any task, under the names that transformers' class reads.

    Raises:
        CheckpointError: a factor has no matrix that it belongs to.
    """
    for name in tensors:
        owner = name.partition(".parametrizations.")[0]
        if name.endswith(_FACTORS) and f"{owner}{_ORIGINAL}" not in tensors:
            raise CheckpointError(f"The weights have {name} and no {owner}{_ORIGINAL}.")
    return {name.replace(_ORIGINAL, ".weight"): value for name, value in tensors.items() if not name.endswith(_FACTORS)}


def merged_weights(tensors: Mapping[str, Tensor], settings: TaskSettings, task: str) -> dict[str, Tensor]:
    """Return the weights with one task added to them, under the names that transformers' class reads.

    Raises:
        CheckpointError: a factor is missing, or does not have the shape that the config asks for.
    """
    weights = base_weights(tensors)
    index = settings.names.index(task)
    for module in _modules(tensors):
        down, up = _factors(tensors, module, settings)
        change = settings.scale * (up[index] @ down[index])
        weights[f"{module}.weight"] = weights[f"{module}.weight"].float() + (change.T if _is_table(module) else change)
    return weights


def task_updates(tensors: Mapping[str, Tensor], settings: TaskSettings) -> dict[str, dict[str, LowRank]]:
    """Return what each task adds, by the paths of modules in transformers' class.

    The base class's own pooling layer, which nothing here reads, is left out.

    Raises:
        CheckpointError: a factor is missing, or does not have the shape that the config asks for.
    """
    updates: dict[str, dict[str, LowRank]] = {name: {} for name in settings.names}
    for module in _modules(tensors):
        if module.startswith(f"{_PREFIX}pooler."):
            continue
        down, up = _factors(tensors, module, settings)
        for index, task in enumerate(settings.names):
            update = LowRank(down[index], up[index] * settings.scale)
            updates[task].update(_placed(module.removeprefix(_PREFIX), update))
    return updates


def _modules(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the stored names of the modules that tasks change."""
    return (name.removesuffix(_ORIGINAL) for name in tensors if name.endswith(_ORIGINAL))


def _is_table(module: str) -> bool:
    return module.endswith("_embeddings")


def _factors(tensors: Mapping[str, Tensor], module: str, settings: TaskSettings) -> tuple[Tensor, Tensor]:
    """Return `down` [tasks, r, in] and `up` [tasks, out, r] of a module; of a table, with rows for in."""
    original = tensors[f"{module}{_ORIGINAL}"]
    missing = [name for name in _FACTORS if f"{module}{name}" not in tensors]
    if missing:
        raise CheckpointError(f"The weights have {module}{_ORIGINAL} and no {module}{missing[0]}.")
    first, second = (tensors[f"{module}{name}"].float() for name in _FACTORS)
    tasks, rank, (rows, columns) = len(settings.names), settings.rank, original.shape
    if _is_table(module):
        shapes = ((tasks, rows, rank), (tasks, rank, columns))
    else:
        shapes = ((tasks, rank, columns), (tasks, rows, rank))
    for name, factor, shape in zip(_FACTORS, (first, second), shapes, strict=True):
        if factor.shape != shape:
            raise CheckpointError(
                f"{module}{name} has shape {list(factor.shape)}; {tasks} tasks of rank {rank} need {list(shape)}."
            )
    return (first.mT, second.mT) if _is_table(module) else (first, second)


def _placed(module: str, update: LowRank) -> Iterator[tuple[str, LowRank]]:
    """Yield the modules of transformers' class that a stored module becomes, each with its part of an update."""
    for pattern, replacement in _RENAMED:
        module = pattern.sub(replacement, module)
    if not module.endswith(_FUSED):
        yield module, update
        return
    layer = module.removesuffix(_FUSED)
    for part, up in zip(_PARTS, update.up.chunk(len(_PARTS)), strict=True):
        yield f"{layer}.self_attn.{part}", LowRank(update.down, up)
