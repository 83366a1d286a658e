"""The two linear layers beside the backbone: one weight per token, and one vector per token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import safe_relative
from cenote.checkpoints.tensors import read_file
from cenote.errors import CheckpointError

__all__ = ["Head", "read_heads"]

#: Files of a head, in the order in which they are looked for. A pickle may hold tensors only.
_ENDINGS = ("safetensors", "pt")
_PARTS = ("weight", "bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear layer.

    Attributes:
        weight: [outputs, hidden_size] float32.
        bias: [outputs] float32.
        source: where it was found, for people.
    """

    weight: Tensor
    bias: Tensor
    source: str


def read_heads(checkpoint: Checkpoint, hidden_size: int, device: str) -> tuple[Head, Head]:
    """Read the head of the weights and the head of the vectors.

    Each is a file of its own (`sparse_linear.pt` as published, or `.safetensors`), or tensors beside those of the
    backbone.

    Raises:
        CheckpointError: one is missing, broken, or does not fit the backbone.

    Source: FlagEmbedding 1.4.2, which makes up random numbers where a head is missing.
    """
    sparse, colbert = (_read(checkpoint, name) for name in ("sparse_linear", "colbert_linear"))
    if sparse is None or colbert is None:
        found, missing = ("colbert_linear", "sparse_linear") if sparse is None else ("sparse_linear", "colbert_linear")
        beside = "neither head" if sparse is colbert else f"the head {found!r} and not {missing!r}"
        raise CheckpointError(
            f"{checkpoint.name!r} has {beside}. A BGE-M3 model has both: sparse_linear.pt and colbert_linear.pt beside "
            "config.json, the same as .safetensors, or tensors of these names among its weights. Download what is "
            "missing, or take it as a plain embedder with --adapter transformers-encoder."
        )
    return (
        _checked(*sparse, outputs=1, hidden_size=hidden_size, device=device),
        _checked(*colbert, outputs=None, hidden_size=hidden_size, device=device),
    )


def _read(checkpoint: Checkpoint, name: str) -> tuple[Mapping[str, Tensor], str] | None:
    """Return the tensors of a head by their last name, and where they were; None where there are none."""
    for file in (f"{name}.{ending}" for ending in _ENDINGS):
        if checkpoint.has_file(file):
            return read_file(safe_relative(checkpoint.path, file)), file
    stored = [part for part in _PARTS if checkpoint.has_tensor(f"{name}.{part}")]
    if not stored:
        return None
    return {part: checkpoint.read_tensor(f"{name}.{part}") for part in stored}, f"{name} among the weights"


def _checked(tensors: Mapping[str, Tensor], source: str, *, outputs: int | None, hidden_size: int, device: str) -> Head:
    """Make sure that a head is a linear layer on the backbone's hidden states."""
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    rows = shapes.get("weight", [0])[0] if outputs is None else outputs
    wanted = {"weight": [rows, hidden_size], "bias": [rows]}
    if shapes != wanted or rows < 1 or not all(tensor.is_floating_point() for tensor in tensors.values()):
        size = "any" if outputs is None else outputs
        raise CheckpointError(
            f"{source} must hold the float tensors weight [{size}, {hidden_size}] and bias [{size}]; found "
            f"{', '.join(f'{name} {shape}' for name, shape in sorted(shapes.items())) or 'nothing'}."
        )
    weight, bias = (tensors[name].float().to(device) for name in _PARTS)
    return Head(weight=weight, bias=bias, source=source)
