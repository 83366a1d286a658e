"""Names of stored tensors, and the three parts that they make: vision tower, projection, language model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel, SiglipVisionModel

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError
from cenote_nemotron_vl.config import NemotronConfig

__all__ = ["check_names", "load_language_model", "load_projection", "load_vision", "look_ahead"]

_LANGUAGE = r"^(?:model\.)?language_model\.(?:model\.)?"
_VISION = r"^(?:model\.)?vision_model\.(?:vision_model\.)?"
_PROJECTION = r"^(?:model\.)?mlp1\."
#: Tensors of the whole of each part. What follows the name of the model in each: nothing else is part of it.
_KNOWN = re.compile(
    f"{_LANGUAGE}(?:embed_tokens|layers|norm|rotary_emb)\\.|"
    f"{_VISION}(?:embeddings|encoder|post_layernorm|head)\\.|"
    rf"{_PROJECTION}[013]\.(?:weight|bias)$"
)
#: What a part may leave unread of the others.
_OTHERS = tuple(f"{root}{name}" for root in ("", "model.") for name in ("language_model.", "vision_model.", "mlp1."))
#: Pools the vision tower's patches, which these models do not; and buffers that are computed.
_UNREAD = ("head.", "embeddings.position_ids", "rotary_emb.")


def check_names(checkpoint: Checkpoint, heads: Sequence[str] = ()) -> None:
    """Check that every stored tensor is part of such a model, and that no two are the same part.

    Args:
        checkpoint: whose tensors are looked at.
        heads: names of tensors that the caller reads itself.

    Raises:
        CheckpointError: as said.
    """
    owners: dict[str, str] = {}
    unknown: list[str] = []
    for name in sorted(checkpoint.tensor_names() - set(heads)):
        if not _KNOWN.match(name):
            unknown.append(name)
            continue
        part = re.sub(_VISION, "vision_model.", re.sub(_LANGUAGE, "language_model.", name)).removeprefix("model.")
        if part in owners:
            raise CheckpointError(f"{checkpoint.name!r} stores {owners[part]} and {name}, which are the same tensor.")
        owners[part] = name
    if unknown:
        shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise CheckpointError(
            f"{checkpoint.name!r} has {len(unknown)} tensors that are part of no Llama Nemotron VL model: {shown}. The "
            "files belong to another architecture."
        )


def load_vision(checkpoint: Checkpoint, config: NemotronConfig, options: LoadOptions, heads: Sequence[str] = ()) -> Any:
    """Load the vision tower, without the head that pools its patches.

    Args:
        checkpoint: whose files are read.
        config: of the model.
        options: what the user asked for.
        heads: names of tensors that the caller reads itself.

    Raises:
        CheckpointError: tensors are missing, unknown or do not fit.
    """
    return _load(config.vision, checkpoint, options, SiglipVisionModel, _VISION, heads)


def load_language_model(
    checkpoint: Checkpoint, config: NemotronConfig, options: LoadOptions, heads: Sequence[str] = ()
) -> Any:
    """Load the language model, whose tokens look ahead; see `load_vision`.

    Raises:
        CheckpointError: tensors are missing, unknown or do not fit.
    """
    model = _load(config.language, checkpoint, options, LlamaModel, _LANGUAGE, heads)
    look_ahead(model)
    return model


def look_ahead(model: Any) -> None:
    """Let every token see all others, in transformers' attention and in the packed one."""
    model.config.is_causal = False  # transformers makes its masks by this
    for module in model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False


def load_projection(checkpoint: Checkpoint, width: int, hidden: int, like: Tensor) -> nn.Sequential:
    """Load what makes embeddings of the language model of the patches of the vision tower.

    Args:
        checkpoint: whose tensors are read.
        width: numbers of the patches that one token stands for.
        hidden: width of the language model.
        like: names dtype and device.

    Raises:
        CheckpointError: a tensor is missing, broken or of another shape.

    Source: `mlp1` of NVIDIA's model.
    """
    layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
    root = "model.mlp1." if checkpoint.has_tensor("model.mlp1.0.weight") else "mlp1."
    found: dict[str, Tensor] = {}
    for name, wanted in layers.state_dict().items():
        if not checkpoint.has_tensor(root + name):
            raise CheckpointError(f"{checkpoint.name!r} has no tensor {root + name}.")
        tensor = checkpoint.read_tensor(root + name)
        if tensor.shape != wanted.shape or not tensor.is_floating_point():
            raise CheckpointError(
                f"{root + name} has shape {list(tensor.shape)} and type {tensor.dtype}; needed are real numbers of "
                f"shape {list(wanted.shape)}."
            )
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{root + name} holds NaN or infinity; the weights are broken.")
        found[name] = tensor
    layers.load_state_dict(found)
    return layers.to(device=like.device, dtype=like.dtype).requires_grad_(False).eval()


def _load(
    part: Checkpoint,
    checkpoint: Checkpoint,
    options: LoadOptions,
    model_class: Any,
    prefix: str,
    heads: Sequence[str],
) -> Any:
    return load_backbone(
        part,
        build_config(part),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        model_class=model_class,
        allowed_missing=(),
        key_mapping={prefix: ""},
        allowed_unused=(*_OTHERS, *_UNREAD, *heads),
    )
