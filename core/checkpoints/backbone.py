"""Loading a backbone's weights strictly: every tensor is read from the files, or loading fails."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.classes import BaseClass, base_class
from cenote.checkpoints.deferred import light_loading
from cenote.checkpoints.mapped import map_weights
from cenote.checkpoints.quiet import quiet_transformers
from cenote.checkpoints.skeleton import WithoutValues
from cenote.checkpoints.weights import tensor_header, weight_files
from cenote.errors import CheckpointError

__all__ = ["load_backbone"]

_log = logging.getLogger(__name__)


def load_backbone(
    checkpoint: Checkpoint,
    config: PreTrainedConfig,
    *,
    dtype: torch.dtype,
    device: str | torch.device,
    attn_implementation: str | None,
    model_class: type[PreTrainedModel] | None = None,
    allowed_missing: Sequence[str] = ("pooler.",),
    keep_pooler: bool = False,
    tensors: Mapping[str, Tensor] | None = None,
    key_mapping: Mapping[str, str] | None = None,
    allowed_unused: Sequence[str] | None = None,
    hint: str = "",
) -> PreTrainedModel:
    """Load the base model of a checkpoint, in evaluation mode and without gradients.

    Args:
        checkpoint: the opened checkpoint.
        config: as `build_config` gives, possibly changed since.
        dtype: of the weights, whatever the files hold.
        device: where the model goes.
        attn_implementation: name registered with transformers; None is transformers' choice.
        model_class: instead of the base class of `config`.
        allowed_missing: prefixes of tensors that the files may lack.
        keep_pooler: build the base class's own pooling layer (BERT's tanh) where it has one.
        tensors: weights by their name in transformers, in place of the files; for layouts that transformers cannot
            read, translated by an adapter.
        key_mapping: regular expressions and what replaces their match in the names of stored tensors, applied in turn
            before any of transformers' own; the tensors are still read one by one.
        allowed_unused: prefixes of stored tensors that the model need not have a place for; None is any.
        hint: what else may be done where tensors are missing.

    Raises:
        CheckpointError: tensors are missing, unknown or of other shapes, or a file is broken.
        UnknownArchitecture: transformers has no base model for this config.
    """
    for file in weight_files(checkpoint.backbone_path) if tensors is None else ():
        if file.suffix == ".safetensors":
            tensor_header(file)
    base = BaseClass(model_class) if model_class is not None else base_class(checkpoint, config)
    chosen = base.loaded
    if chosen is not None and chosen.__name__.endswith("EncoderModel") and config.is_encoder_decoder:
        config = copy.deepcopy(config)
        config.is_encoder_decoder = False  # T5Gemma's class insists on it
    extra: dict[str, Any] = {}
    if not keep_pooler and chosen is not None and "add_pooling_layer" in inspect.signature(chosen.__init__).parameters:
        extra["add_pooling_layer"] = False
    stored: Mapping[str, Any] | None = tensors
    if stored is None and chosen is not None and getattr(config, "quantization_config", None) is None:
        stored = map_weights(checkpoint.backbone_path)
    if stored is not None:
        extra["state_dict"] = dict(stored)
    if key_mapping is not None:
        extra["key_mapping"] = dict(key_mapping)
    model, info = _from_files(checkpoint, config, chosen or AutoModel, dtype, attn_implementation, extra)
    _check_complete(checkpoint, model, info, tuple(allowed_missing), hint)
    _check_unused(checkpoint, model, info, allowed_unused)
    if base.decoder:
        model = _decoder(model)
    model.to(torch.device(device))  # type: ignore[arg-type]  # transformers wraps the method without its types
    model.requires_grad_(False)
    model.train(False)
    return model


def _decoder(model: Any) -> PreTrainedModel:
    """Return what a causal language model has below its output layer."""
    found = model.get_decoder()
    inner: PreTrainedModel = model.model if found is model else found
    return inner


def _from_files(
    checkpoint: Checkpoint,
    config: PreTrainedConfig,
    model_class: Any,
    dtype: torch.dtype,
    attn_implementation: str | None,
    extra: dict[str, Any],
) -> tuple[PreTrainedModel, dict[str, Any]]:
    if attn_implementation is not None:
        extra["attn_implementation"] = attn_implementation
    if model_class is AutoModel:
        extra["trust_remote_code"] = checkpoint.trust_remote_code
    try:
        with quiet_transformers(), nullcontext() if model_class is AutoModel else _light_loading():
            model, info = model_class.from_pretrained(
                None if "state_dict" in extra else checkpoint.backbone_path,
                config=config,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # reported below, with names and both shapes
                **extra,
            )
    except Exception as exc:  # transformers raises many kinds for broken files and impossible sizes
        reason = " ".join((str(exc).strip() or type(exc).__name__).split())[:400]
        raise CheckpointError(f"The weights of {checkpoint.name!r} could not be loaded: {reason}") from exc
    return model, info


@contextmanager
def _light_loading() -> Iterator[None]:
    """Keep the loading of one of transformers' own classes from importing and computing what it does not need."""
    with light_loading(), WithoutValues():
        yield


def _check_complete(
    checkpoint: Checkpoint, model: PreTrainedModel, info: dict[str, Any], allowed: tuple[str, ...], hint: str
) -> None:
    what = f"{checkpoint.name!r} as {type(model).__name__}"
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        shown = "; ".join(f"{name}: file {tuple(a)}, config {tuple(b)}" for name, a, b in mismatched[:5])
        raise CheckpointError(
            f"{what}: {len(mismatched)} tensors do not have the shape that config.json asks for: {shown}. "
            "The config belongs to another model, or needs a repair."
        )
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(allowed))
    if missing:
        total = len(model.state_dict())
        raise CheckpointError(
            f"{what}: {len(missing)} of {total} tensors are not in the weight files: {', '.join(missing[:5])}"
            f"{', …' if len(missing) > 5 else ''}. The files are incomplete or belong to another architecture."
            f"{' ' if hint else ''}{hint}"
        )


def _check_unused(
    checkpoint: Checkpoint, model: PreTrainedModel, info: dict[str, Any], allowed: Sequence[str] | None
) -> None:
    what = f"{checkpoint.name!r} as {type(model).__name__}"
    unused = sorted(info["unexpected_keys"])
    unknown = [] if allowed is None else [name for name in unused if not name.startswith(tuple(allowed))]
    if unknown:
        raise CheckpointError(
            f"{what}: {len(unknown)} stored tensors have no place in the model: {', '.join(unknown[:5])}"
            f"{', …' if len(unknown) > 5 else ''}. Without them it would compute something else. The files belong to "
            "another architecture, or to a version of the model that is not known yet."
        )
    if unused:
        _log.info("%s: %d stored tensors are not used: %s", what, len(unused), ", ".join(unused[:5]))
