"""A checkpoint on disk: its config, its side files and the names of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.checkpoints.files import safe_relative
from cenote.checkpoints.sentence_transformers import SentenceTransformersFiles
from cenote.checkpoints.weights import stored_dtype, stored_tensor_names
from cenote.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The files of a model, opened: implements `cenote.registry.CheckpointFacts`.

    Attributes:
        path: folder of the checkpoint.
        name: the model as the user named it.
        config: `config.json` with the user's overrides and any repair applied.
        sentence_transformers: what the Sentence-Transformers files say, or None where there are none.
        trust_remote_code: the checkpoint's own Python code may run where nothing native fits.
    """

    path: Path
    name: str
    config: dict[str, Any]
    sentence_transformers: SentenceTransformersFiles | None = None
    trust_remote_code: bool = False

    @property
    def backbone_path(self) -> Path:
        """Folder of the backbone's config, weights and tokenizer: mostly `path`, in old files `0_Transformer`."""
        files = self.sentence_transformers
        return safe_relative(self.path, files.transformer_path) if files else self.path

    @property
    def architectures(self) -> tuple[str, ...]:
        """Architecture strings of the config."""
        value = self.config.get("architectures")
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()

    @property
    def model_type(self) -> str | None:
        """The config's `model_type`, or None."""
        value = self.config.get("model_type")
        return value if isinstance(value, str) and value else None

    def has_file(self, name: str) -> bool:
        """Tell whether the checkpoint has a file of this relative name."""
        return safe_relative(self.path, name).is_file()

    def config_value(self, key: str) -> Any:
        """Return the value under a dotted key of `config.json`, or None."""
        return _dotted(self.config, key)

    def settings_value(self, key: str) -> Any:
        """Return the value under a dotted key of `config_sentence_transformers.json`, or None."""
        files = self.sentence_transformers
        return _dotted(files.settings, key) if files else None

    def has_tensor(self, name: str) -> bool:
        """Tell whether a weight of this exact name is stored."""
        return name in self.tensor_names()

    def tensor_names(self) -> frozenset[str]:
        """Return the names of the stored tensors, from headers alone where the format has them; read once at most.

        Raises:
            CheckpointError: there are no weights, or their header is broken.
        """
        return self._tensor_names

    @cached_property
    def _tensor_names(self) -> frozenset[str]:
        return stored_tensor_names(self.backbone_path)

    def stored_dtype(self) -> str | None:
        """Return the dtype of the stored weights, such as `float32`, or None where no header tells."""
        return stored_dtype(self.backbone_path)

    def module_types(self) -> tuple[str, ...]:
        """Return the dotted class names of `modules.json` and of a router's routes; empty without that file."""
        files = self.sentence_transformers
        return tuple(module.type for module in files.flat) if files else ()

    def read_tensors(self, relative_folder: str) -> dict[str, Tensor]:
        """Read all tensors of a module's folder: `model.safetensors`, else `pytorch_model.bin` (tensors only).

        Raises:
            CheckpointError: the folder has neither, or the file is broken.
        """
        from cenote.checkpoints.tensors import read_folder

        return read_folder(safe_relative(self.path, relative_folder))

    def read_tensor(self, name: str) -> Tensor:
        """Read one of the backbone's tensors, leaving the others on disk.

        Raises:
            CheckpointError: there is no such tensor, or a file is broken.
        """
        from cenote.checkpoints.tensors import read_tensor

        return read_tensor(self.backbone_path, name)

    def read_rows(self, name: str, rows: Sequence[int]) -> Tensor:
        """Read some rows of one of the backbone's tensors, leaving the others on disk.

        Raises:
            CheckpointError: there is no such tensor or row, or a file is broken.
        """
        from cenote.checkpoints.tensors import read_rows

        return read_rows(self.backbone_path, name, rows)

    def with_config(self, config: dict[str, Any]) -> Checkpoint:
        """Return this checkpoint with another config.

        Raises:
            CheckpointError: `config` is not a mapping.
        """
        if not isinstance(config, dict):
            raise CheckpointError(f"A config must be a mapping, found {type(config).__name__}.")
        changed = replace(self, config=config)
        if "_tensor_names" in self.__dict__:  # the weights are the same
            changed.__dict__["_tensor_names"] = self._tensor_names
        return changed


def _dotted(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
