"""Low-rank adapters of a running model: which are loaded, and loading and dropping them between two batches."""

from __future__ import annotations

import threading
from pathlib import Path

from cenote.config import EngineConfig
from cenote.engine.core import Engine
from cenote.engine.loader import LoadedModel
from cenote.errors import InvalidRequest, ModelNotFound, WrongType
from cenote.lora import LoRARequest

__all__ = ["LoraFace"]


class LoraFace:
    """What an engine's face can do with low-rank adapters."""

    config: EngineConfig
    engine: Engine
    _loaded: LoadedModel

    def _note_lora_modules(self) -> None:
        """Take note of the adapters that were loaded with the model."""
        pairs = (item.partition("=") for item in self.config.lora_modules)
        self._lora_folders = {name: Path(folder).resolve() for name, _, folder in pairs}
        self._loading = threading.Lock()

    @property
    def lora_names(self) -> tuple[str, ...]:
        """Return the names of the low-rank adapters that are loaded."""
        store = getattr(self._loaded.model, "loras", None)
        return () if store is None else tuple(store.names())

    def load_lora(self, name: str, folder: str, *, replace: bool = False) -> None:
        """Load a low-rank adapter in peft's format, between two batches.

        Args:
            name: under which calls ask for it.
            folder: with its files.
            replace: put it in the place of one of the same name; where it cannot be loaded, that one stays.

        Raises:
            InvalidRequest: the model takes none, was loaded without `enable_lora`, or the name is taken.
            CheckpointError: the files do not fit the model.
        """
        if replace and name in self.lora_names:
            self._check_loaded_from_folder(name)
        store = getattr(self._loaded.model, "loras", None)
        if store is None:
            raise InvalidRequest("This model's adapter takes no low-rank adapters.", param="lora_request")
        if not self.config.enable_lora and not self.config.lora_modules:
            text = "Adapters are loaded on request only where that is allowed: enable_lora=True (--enable-lora)."
            raise InvalidRequest(text, param="lora_request")
        with self.engine.exclusive(name):
            store.load(name, folder, replace=replace)
        self._lora_folders[name] = Path(folder).resolve()

    def unload_lora(self, name: str) -> None:
        """Drop a low-rank adapter, between two batches; requests that wait for it fail with `ModelNotFound`.

        Raises:
            ModelNotFound: there is none of this name.
            InvalidRequest: it is a part of the model.
        """
        if name not in self.lora_names:
            raise self._unknown_lora(name)
        self._check_loaded_from_folder(name)
        with self.engine.exclusive(name):
            self._loaded.model.loras.unload(name)  # type: ignore[attr-defined]
        self._lora_folders.pop(name, None)

    def _check_loaded_from_folder(self, name: str) -> None:
        if name not in self._lora_folders:
            text = f"The low-rank adapter {name!r} is a part of the model; it cannot be changed."
            raise InvalidRequest(text, param="lora_name")

    def lora_name(self, request: LoRARequest | None, name: str | None = None) -> str | None:
        """Return the name of the adapter that a call asks for, loaded on first use where it gives a folder.

        Args:
            request: an adapter, and where it is.
            name: an adapter that is loaded.

        Raises:
            InvalidRequest: two adapters are named, or one of this name is loaded from another folder.
            CheckpointError: the files do not fit the model.
        """
        if name is not None and not isinstance(name, str):
            raise WrongType(f"lora must be the name of an adapter, not {name!r:.80}.", param="lora")
        if request is None:
            return name
        if not isinstance(request, LoRARequest):
            text = f"lora_request must be a LoRARequest or None, not {type(request).__name__}."
            raise WrongType(text, param="lora_request")
        if name not in (None, request.lora_name):
            text = f"Two low-rank adapters are named for one prompt: {name!r} and {request.lora_name!r}."
            raise InvalidRequest(text, param="lora")
        if request.lora_path:
            self._load_on_request(request.lora_name, request.lora_path)
        return request.lora_name

    def _load_on_request(self, name: str, folder: str) -> None:
        with self._loading:
            if name not in self.lora_names:
                self.load_lora(name, folder)
            elif self._lora_folders.get(name) != Path(folder).resolve():
                text = f"A low-rank adapter {name!r} is loaded from another place. Give this one another name."
                raise InvalidRequest(text, param="lora_request")

    def _unknown_lora(self, name: str) -> ModelNotFound:
        known = ", ".join(self.lora_names) or "none"
        return ModelNotFound(f"There is no low-rank adapter {name!r}. Loaded: {known}.")
