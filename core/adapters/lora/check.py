"""Prove at load that an adapter computes what it shall: mixed with others against peft's own layers, alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.backbone import Backbone
from cenote.adapters.lora.backbone import LoraBackbone
from cenote.adapters.lora.layers import LoraLayer
from cenote.adapters.packing import pack
from cenote.adapters.probes import Probe, relative_difference, tolerance
from cenote.errors import CenoteError, CheckpointError

__all__ = ["AdapterCheck"]


@dataclass(frozen=True, slots=True)
class AdapterCheck:
    """Compares runs of fixed sequences.

    Attributes:
        model: the base model, whose targeted layers are `LoraLayer` by now.
        backbone: runs it.
        probe: the sequences.
    """

    model: Any
    backbone: LoraBackbone
    probe: Probe

    def run(self, name: str, layers: Mapping[str, LoraLayer], reference: Mapping[str, nn.Module] | None) -> None:
        """Check one adapter.

        Args:
            name: of the adapter.
            layers: the layers that it targets, by path.
            reference: peft's layers for the same paths; None compares with the adapter's own layers, one sequence
                at a time.

        Raises:
            CheckpointError: the numbers differ, or a targeted layer never runs.
        """
        try:
            self._compare(name, layers, reference)
        except CenoteError as exc:
            raise CheckpointError(f"Adapter {name!r} cannot be run: {exc}") from exc
        except Exception as exc:
            # A foreign model may raise anything; it means that its layers cannot carry adapters.
            raise CheckpointError(f"Adapter {name!r} cannot be run ({type(exc).__name__}: {exc}).") from exc

    def _compare(self, name: str, layers: Mapping[str, LoraLayer], reference: Mapping[str, nn.Module] | None) -> None:
        if reference is None:
            adapted = self._alone(self.backbone, name)
        else:
            with _in_place(self.model, layers, reference):
                adapted = self._alone(self.backbone.inner, None)
        plain = self._alone(self.backbone, None)
        # Neighbours of either kind in turn, so that a row given to the wrong one shows.
        pairs = list(zip(self.probe.sequences, self.probe.attended, strict=True))
        order = [(ids, attended, lora) for ids, attended in pairs for lora in (name, None)]
        with _all_called(name, layers), torch.inference_mode():
            sequences, attended, loras = (list(column) for column in zip(*order, strict=True))
            batch = pack(sequences, device=self.probe.device, loras=loras, attended=attended)
            found = self.backbone(batch).float().split_with_sizes(list(batch.lengths))
        allowed = tolerance(self.model.dtype)
        for kind, rows, expected in (("", found[::2], adapted), (" beside it, without an adapter", found[1::2], plain)):
            difference = relative_difference(torch.cat(rows), expected)
            if not difference <= allowed:  # also where it is NaN
                raise CheckpointError(
                    f"mixed with others and alone, rows{kind} differ by {difference:.1e} of the largest value "
                    f"(allowed {allowed:.0e})"
                )

    def _alone(self, backbone: Backbone, name: str | None) -> Tensor:
        """Return the hidden states of the sequences, each run for itself."""
        with torch.inference_mode():
            runs = [
                backbone(pack([ids], device=self.probe.device, loras=[name], attended=[attended]))
                for ids, attended in zip(self.probe.sequences, self.probe.attended, strict=True)
            ]
        return torch.cat(runs).float()


@contextmanager
def _in_place(model: nn.Module, layers: Mapping[str, LoraLayer], reference: Mapping[str, Any]) -> Iterator[None]:
    """Let peft's layers stand where ours are, around the same base layers."""
    try:
        for path, layer in layers.items():
            reference[path].base_layer = layer.base
            model.set_submodule(path, reference[path])
        yield
    finally:
        for path, layer in layers.items():
            model.set_submodule(path, layer)


@contextmanager
def _all_called(name: str, layers: Mapping[str, LoraLayer]) -> Iterator[None]:
    """Fail where a layer is not called inside: a model that reads weights directly would ignore the adapter."""
    idle = set(layers)
    with ExitStack() as hooks:
        for path, layer in layers.items():
            handle = layer.register_forward_hook(lambda *_, path=path: idle.discard(path))
            hooks.callback(handle.remove)
        yield
    if idle:
        raise CheckpointError(f"the model does not call {min(idle)}, which it targets")
