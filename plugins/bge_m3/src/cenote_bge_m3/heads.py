"""The two linear layers beside the backbone: one weight per token, and one vector per token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import safe_relative
from cenote.checkpoints.tensors import read_file
from cenote.errors import CheckpointError

__all__ = ["Head", "StoredHead", "read_heads"]

#: Files of a head, in the order in which they are looked for. A pickle may hold tensors only.
_ENDINGS = ("safetensors", "pt")
_PARTS = ("weight", "bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear layer.

    Attributes:
        weight: [outputs, hidden_size] float32.
        bias: [outputs] float32.
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class StoredHead:
    """What a file holds of a head.

    Attributes:
        tensors: by name.
        source: where they are, for people.
    """

    tensors: Mapping[str, Tensor]
    source: str

    def fit(self, *, outputs: int | None, hidden_size: int, device: str) -> Head:
        """Return the layer, once it is one on the backbone's hidden states.

        Args:
            outputs: numbers per token; None is any.
            hidden_size: width of the hidden states.
            device: where it goes.

        Raises:
            CheckpointError: tensors are missing, or of another shape or kind.
        """
        shapes = {name: list(tensor.shape) for name, tensor in self.tensors.items()}
        rows = shapes.get("bias", [])[:1] if outputs is None else [outputs]
        is_float = all(tensor.is_floating_point() for tensor in self.tensors.values())
        if shapes != {"weight": [*rows, hidden_size], "bias": rows} or not is_float or rows in ([], [0]):
            size = outputs or "any"
            found = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items())) or "nothing"
            raise CheckpointError(
                f"{self.source} must hold the float tensors weight [{size}, {hidden_size}] and bias [{size}]; found "
                f"{found}."
            )
        weight, bias = (self.tensors[name].float().to(device) for name in _PARTS)
        return Head(weight=weight, bias=bias)


def read_heads(checkpoint: Checkpoint) -> tuple[StoredHead, StoredHead]:
    """Read the head of the weights and the head of the vectors.

    Each is a file of its own (`sparse_linear.pt` as published, or `.safetensors`), or tensors beside those of the
    backbone.

    Raises:
        CheckpointError: one is missing or broken.

    Source: FlagEmbedding 1.4.2, which makes up random numbers where a head is missing.
    """
    sparse, colbert = (_read(checkpoint, name) for name in ("sparse_linear", "colbert_linear"))
    if sparse is not None and colbert is not None:
        return sparse, colbert
    found, missing = ("colbert_linear", "sparse_linear") if sparse is None else ("sparse_linear", "colbert_linear")
    beside = "neither head" if sparse is colbert else f"the head {found!r} and not {missing!r}"
    raise CheckpointError(
        f"{checkpoint.name!r} has {beside}. A BGE-M3 model has both: sparse_linear.pt and colbert_linear.pt beside "
        "config.json, the same as .safetensors, or tensors of these names among its weights. Download what is "
        "missing, or take it as a plain embedder with --adapter transformers-encoder."
    )


def _read(checkpoint: Checkpoint, name: str) -> StoredHead | None:
    for file in (f"{name}.{ending}" for ending in _ENDINGS):
        if checkpoint.has_file(file):
            return StoredHead(read_file(safe_relative(checkpoint.path, file)), file)
    stored = [part for part in _PARTS if checkpoint.has_tensor(f"{name}.{part}")]
    tensors = {part: checkpoint.read_tensor(f"{name}.{part}") for part in stored}
    return StoredHead(tensors, f"{name} among the weights") if stored else None
