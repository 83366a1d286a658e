"""The adapters of a loaded model: loading, naming, dropping."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cenote.adapters.backbone import Backbone
from cenote.adapters.fused import FusedLayers
from cenote.adapters.linears import PreparedLinear
from cenote.adapters.lora.backbone import LoraBackbone
from cenote.adapters.lora.check import AdapterCheck
from cenote.adapters.lora.folder import read_folder
from cenote.adapters.lora.layers import LoraLayer, LowRank, wrap
from cenote.adapters.lora.routes import Routes
from cenote.adapters.probes import Probe
from cenote.errors import CheckpointError, InvalidRequest, ModelNotFound

__all__ = ["LoraStore"]


class LoraStore:
    """The low-rank adapters of one base model, and the backbone that runs them.

    Safe to use from any thread while the model runs: files are read beside it, and its layers change only between
    two forwards, under the lock that `backbone` holds during each.

    Attributes:
        backbone: runs batches in which every sequence may name an adapter.
    """

    def __init__(
        self,
        model: Any,
        inner: Backbone,
        probe: Probe,
        *,
        ignored: tuple[str, ...] = (),
        max_rank: int | None = None,
        heads: tuple[str, ...] = (),
    ) -> None:
        """Prepare a model for adapters; nothing changes until one is loaded.

        Args:
            model: transformers base model.
            inner: runs it.
            probe: sequences that each adapter is checked with.
            ignored: prefixes of modules that it was loaded without because nothing reads them.
            max_rank: highest rank of an adapter from a folder; None is any.
            heads: where the model may stand in the larger one that adapters are made for, as `read_folder` takes it.
        """
        self._model = model
        self._dtype: torch.dtype = model.dtype
        self._device = probe.device
        self._probe = probe
        self._ignored = ignored
        self._max_rank = max_rank
        self._heads = heads
        self._fused = any(isinstance(module, FusedLayers) for module in model.modules())
        self._routes = Routes()
        self._adapters: dict[str, tuple[str, ...]] = {}
        self._changing = threading.Lock()
        self.backbone = LoraBackbone(inner, self._routes, self._adapters)

    def names(self) -> tuple[str, ...]:
        """Return the names of the adapters, in the order in which they came."""
        return tuple(self._adapters)

    def check(self, name: str | None) -> None:
        """Raise where a request names an adapter that is not loaded.

        Raises:
            ModelNotFound: there is none of this name.
        """
        if name is not None and name not in self._adapters:
            loaded = ", ".join(self._adapters) or "none"
            raise ModelNotFound(f"There is no low-rank adapter {name!r}. Loaded: {loaded}.")

    def load(self, name: str, folder: str | Path, *, replace: bool = False) -> None:
        """Load an adapter in peft's folder format, and prove that it computes what peft computes.

        Args:
            name: of the adapter.
            folder: with its files.
            replace: put it in the place of one of the same name; where it cannot be loaded, that one stays.

        Raises:
            CheckpointError: it is incomplete, belongs to another model, or cannot be computed exactly.
            InvalidRequest: the name is empty or taken, or the model was loaded without `enable_lora`.
            MissingDependency: peft is not installed.
        """
        with self._changing:
            self._check_new(name, replace)
            found = read_folder(
                name, folder, self._model, device=self._device, ignored=self._ignored, heads=self._heads
            )
            updates = found.updates()
            self._check_rank(name, updates)
            with self._in_place_of(name):
                self._attach(name, updates, found.layers)

    def add(self, name: str, updates: Mapping[str, LowRank]) -> None:
        """Add an adapter from its matrices, by the path of the module of the base model that each belongs to.

        Raises:
            CheckpointError: the matrices do not fit the model.
            InvalidRequest: the name is empty or taken, or the model was loaded without `enable_lora`.
        """
        with self._changing:
            self._check_new(name)
            self._attach(name, updates, None)

    def unload(self, name: str) -> None:
        """Drop an adapter. What waits for it fails; batches under way end first.

        Raises:
            ModelNotFound: there is none of this name.
        """
        with self._changing:
            self.check(name)
            with self.backbone.lock:
                self._detach(name, self._adapters.pop(name))

    @contextmanager
    def _in_place_of(self, name: str) -> Iterator[None]:
        """Drop the adapter of this name, if any, and bring it back where the block fails."""
        with self.backbone.lock:
            paths = self._adapters.pop(name, ())
            old = self._detach(name, paths)
            try:
                yield
            except BaseException:
                for path, update in old.items():
                    self._layer(path).put_back(name, update)
                if paths:
                    self._adapters[name] = paths
                raise

    def _check_new(self, name: str, replace: bool = False) -> None:
        if self._fused:
            text = "The layers of this model are fused, which adapters cannot be put on; load it with enable_lora=True."
            raise InvalidRequest(text, param="enable_lora")
        if not name:
            raise InvalidRequest("A low-rank adapter needs a name.", param="lora_name")
        if name in self._adapters and not replace:
            raise InvalidRequest(f"A low-rank adapter {name!r} is loaded already.", param="lora_name")

    def _check_rank(self, name: str, updates: Mapping[str, LowRank]) -> None:
        rank = max((len(update.down) for update in updates.values()), default=0)
        if self._max_rank is not None and rank > self._max_rank:
            text = f"Adapter {name!r} has rank {rank}; max_lora_rank allows {self._max_rank} (--max-lora-rank)."
            raise CheckpointError(text)

    def _attach(self, name: str, updates: Mapping[str, LowRank], reference: Mapping[str, nn.Module] | None) -> None:
        """Put an adapter on its layers and check it; where that fails, everything is as it was."""
        head = next((path for path in updates if path.startswith("pooler.")), None)
        if head is not None:
            raise CheckpointError(
                f"Adapter {name!r} changes {head}, a part of the head; only the backbone can have one."
            )
        with self.backbone.lock:
            self._adapters[name] = tuple(updates)
            try:
                layers = {path: self._layer(path) for path in updates}
                for path, update in updates.items():
                    layers[path].add(name, update, dtype=self._dtype, device=self._device)
                AdapterCheck(self._model, self.backbone, self._probe).run(name, layers, reference)
            except BaseException:
                self._detach(name, self._adapters.pop(name))
                raise

    def _layer(self, path: str) -> LoraLayer:
        """Return the layer at a path, made ready for adapters."""
        found: nn.Module = self._model.get_submodule(path)
        if isinstance(found, LoraLayer):
            return found
        layer = wrap(found, self._routes)
        if isinstance(found, PreparedLinear):
            found.unfuse()  # the activation comes after what an adapter adds
        self._model.set_submodule(path, layer)
        return layer

    def _detach(self, name: str, paths: tuple[str, ...]) -> dict[str, LowRank]:
        """Take an adapter off its layers, and return what it had there.

        A layer that nothing is left on becomes what it was.
        """
        removed: dict[str, LowRank] = {}
        for path in paths:
            layer = self._model.get_submodule(path)
            if not isinstance(layer, LoraLayer):
                continue
            if (update := layer.remove(name)) is not None:
                removed[path] = update
            if layer.is_idle:
                self._model.set_submodule(path, layer.base)
                if isinstance(layer.base, PreparedLinear):
                    layer.base.fuse()
        return removed
