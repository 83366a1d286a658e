"""Read an adapter in peft's folder format; which weights it changes, and by how much, is peft's business."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.lora.layers import LowRank
from cenote.adapters.lora.settings import check_settings
from cenote.adapters.lora.structure import skeleton
from cenote.errors import CheckpointError, MissingDependency

__all__ = ["PeftFolder", "read_folder"]

_SETTINGS = "adapter_config.json"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
#: What peft puts in front of the names of the model it wraps.
_PREFIX = "base_model.model."
#: Name under which peft keeps the adapter; each folder gets a structure of its own.
_ADAPTER = "default"


class PeftFolder:
    """An adapter as peft reads it: its layers by the name of the module they belong to."""

    def __init__(self, name: str, layers: Mapping[str, Any]) -> None:
        self._name = name
        #: peft's own modules, which compute what an adapter adds when they are put in place of the model's.
        self.layers = layers

    def updates(self) -> dict[str, LowRank]:
        """Return what the adapter adds to each module.

        Raises:
            CheckpointError: it targets layers of a kind that cenote does not run adapters on.
        """
        return {path: self._update(path, layer) for path, layer in self.layers.items()}

    def _update(self, path: str, layer: Any) -> LowRank:
        from peft.tuners.lora import Embedding, Linear

        kind: Any = type(layer)
        if kind is Linear:
            down, up = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
        elif kind is Embedding:
            down, up = layer.lora_embedding_A[_ADAPTER], layer.lora_embedding_B[_ADAPTER]
        else:
            raise CheckpointError(
                f"Adapter {self._name!r} targets {path}, a layer of class {type(layer.get_base_layer()).__name__}; "
                "cenote runs adapters on linear layers and embedding tables."
            )
        if layer.lora_variant:
            raise CheckpointError(f"Adapter {self._name!r} computes {path} by another rule than plain LoRA.")
        return LowRank(down.detach(), up.detach() * layer.scaling[_ADAPTER])


def read_folder(
    name: str,
    folder: str | Path,
    model: Any,
    *,
    device: str,
    ignored: tuple[str, ...],
    heads: tuple[str, ...] = (),
) -> PeftFolder:
    """Read an adapter for a loaded model.

    Args:
        name: of the adapter, for messages.
        folder: with `adapter_config.json` and `adapter_model.safetensors`.
        model: transformers base model, which is not changed.
        device: where the model is.
        ignored: prefixes of modules that the model was loaded without because nothing reads them.
        heads: where the model may stand in the larger one that the adapter was made for, such as `language_model.`,
            besides the usual place behind a head.

    Raises:
        CheckpointError: the folder is incomplete, the adapter belongs to another model, or it asks for something
            that is not computed exactly.
        MissingDependency: peft is not installed.
    """
    peft = _import_peft()
    folder = Path(folder).expanduser()
    missing = [_SETTINGS] if not (folder / _SETTINGS).is_file() else []
    if not any((folder / file).is_file() for file in _WEIGHTS):
        missing.append(_WEIGHTS[0])
    if missing:
        raise CheckpointError(f"The folder of adapter {name!r} has no {' and no '.join(missing)}.")
    try:
        with warnings.catch_warnings():  # what peft warns of (keys that do not fit) is an error below
            warnings.simplefilter("ignore")
            return PeftFolder(name, _layers(peft, name, folder, model, device, ignored, heads))
    except CheckpointError:
        raise
    except Exception as exc:  # peft and safetensors raise many kinds for files that do not fit the model
        reason = " ".join(str(exc).replace(str(folder), name).split())[:300]
        raise CheckpointError(f"Adapter {name!r} does not fit this model: {reason}") from exc


def _import_peft() -> Any:
    try:
        import peft
    except ImportError as exc:
        raise MissingDependency("Low-rank adapters need peft: pip install 'cenote[lora]'.") from exc
    return peft


def _layers(
    peft: Any, name: str, folder: Path, model: Any, device: str, ignored: tuple[str, ...], heads: tuple[str, ...]
) -> dict[str, nn.Module]:
    from cenote.checkpoints.files import read_object

    check_settings(read_object(folder / _SETTINGS), name, peft.LoraConfig)
    settings = peft.PeftConfig.from_pretrained(str(folder))
    settings.init_lora_weights = False  # every value comes from the file
    settings.inference_mode = True
    head, state = _split(model, peft.load_peft_weights(str(folder), device="cpu"), heads)
    if heads:
        _check_inside(name, state, head, (*(f"{part}." for part, _ in model.named_children()), *ignored))
    state = {key: value for key, value in state.items() if not key.removeprefix(head).startswith(ignored)}
    state = _without_base_weights(name, model, state, head)
    structure = _under(head, skeleton(model, model.dtype, device))
    peft.inject_adapter_in_model(settings, structure, _ADAPTER)
    result = peft.set_peft_model_state_dict(structure, {_PREFIX + key: value for key, value in state.items()})
    structure.eval()  # peft's dropout is for training
    lost = [key for key in result.missing_keys if "lora_" in key]
    if lost or result.unexpected_keys:
        what = f"lacks {lost[0]}" if lost else f"has {result.unexpected_keys[0]}, which the model has no place for"
        raise CheckpointError(f"Adapter {name!r} {what}; it belongs to another model.")
    return {
        path.removeprefix(head): module
        for path, module in structure.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    }


def _check_inside(name: str, state: Mapping[str, Tensor], head: str, inside: tuple[str, ...]) -> None:
    """Raise where an adapter of a larger model changes other parts of it.

    Args:
        name: of the adapter.
        state: its tensors.
        head: where the language model stands.
        inside: how names go on behind that.

    Raises:
        CheckpointError: it does, a vision tower for example.
    """
    within = tuple(head + part for part in inside)
    outside = next((key for key in state if not key.startswith(within)), None)
    if outside is not None:
        raise CheckpointError(
            f"Adapter {name!r} has {outside}, which is outside the language model; only its layers can have an adapter."
        )


def _split(model: Any, stored: Mapping[str, Tensor], heads: tuple[str, ...]) -> tuple[str, dict[str, Tensor]]:
    """Return the prefix of a class with a head that the adapter was made for, if any, and its tensors."""
    state = {key.removeprefix(_PREFIX): value for key, value in stored.items()}
    for prefix in heads:
        if any(key.startswith(prefix) for key in state):
            return prefix, state
    head = f"{getattr(model, 'base_model_prefix', '')}."
    own = {name for name, _ in model.named_children()}
    headed = head != "." and head[:-1] not in own and any(key.startswith(head) for key in state)
    return head if headed else "", state


def _under(head: str, structure: Any) -> Any:
    """Return a structure as the part of a class with a head that it is there."""
    for part in reversed(head.split(".")[:-1]):
        outer = nn.Module()
        outer.add_module(part, structure)
        structure = outer
    return structure


def _without_base_weights(name: str, model: Any, state: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """Drop weights of the base model that peft stored along, provided that they are the same.

    Raises:
        CheckpointError: the adapter brings weights of its own, such as embeddings of added tokens.
    """
    kept: dict[str, Tensor] = {}
    for key, value in state.items():
        if "lora_" in key:
            kept[key] = value
            continue
        path = key.removeprefix(head).replace("base_layer.", "")
        own = _own_weight(model, path)
        if own is None or own.shape != value.shape or not torch.equal(own.cpu(), value.to(own.dtype)):
            raise CheckpointError(f"Adapter {name!r} brings {path}, a weight that differs from the base model's own.")
    return kept


def _own_weight(model: Any, path: str) -> Tensor | None:
    """Return a weight of the base model by its name, None where there is none in that form."""
    module, _, weight = path.rpartition(".")
    try:
        return getattr(model.get_submodule(module), weight, None)
    except AttributeError:
        return None
