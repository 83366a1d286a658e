"""Reading weights into torch: safetensors, or pickle restricted to tensors."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from cenote.checkpoints.weights import tensor_header, weight_files
from cenote.errors import CheckpointError

__all__ = ["pickled_names", "read_file", "read_folder", "read_pickle", "read_rows", "read_tensor"]


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a folder's weight files onto the CPU, in their stored dtype.

    Raises:
        CheckpointError: there are none, or a file is broken.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} does not exist, although the checkpoint's files name it.")
    tensors: dict[str, Tensor] = {}
    for file in weight_files(folder):
        tensors.update(read_file(file))
    return tensors


def read_file(file: Path) -> dict[str, Tensor]:
    """Read one weight file, by its suffix."""
    return _read_safetensors(file) if file.suffix == ".safetensors" else read_pickle(file)


def read_tensor(folder: Path, name: str) -> Tensor:
    """Read one tensor onto the CPU, in its stored dtype; the other ones stay on disk where the format allows that.

    Raises:
        CheckpointError: there is no such tensor, or a file is broken.
    """
    for file in weight_files(folder):
        if file.suffix != ".safetensors":
            state = _load_pickle(file, mmap=zipfile.is_zipfile(file))
            if name in state:
                return state[name].clone()
        elif name in tensor_header(file):
            with safe_open(file, framework="pt") as handle:
                stored: Tensor = handle.get_tensor(name)
                return stored
    raise CheckpointError(f"{folder} has no tensor {name!r}.")


def read_rows(folder: Path, name: str, rows: Sequence[int]) -> Tensor:
    """Read some rows of one tensor onto the CPU, in its stored dtype; the other rows stay on disk.

    Raises:
        CheckpointError: there is no such tensor or row, or a file is broken.
    """
    for file in weight_files(folder):
        if file.suffix != ".safetensors":
            state = _load_pickle(file, mmap=zipfile.is_zipfile(file))
            if name in state:
                _check_rows(file, name, rows, state[name].shape)
                return state[name][list(rows)].clone()
        elif name in (header := tensor_header(file)):
            _check_rows(file, name, rows, header[name]["shape"])
            with safe_open(file, framework="pt") as handle:
                stored = handle.get_slice(name)
                return torch.cat([stored[row : row + 1] for row in rows])
    raise CheckpointError(f"{folder} has no tensor {name!r}.")


def _check_rows(file: Path, name: str, rows: Sequence[int], shape: Sequence[int]) -> None:
    if not shape or not rows or not all(0 <= row < shape[0] for row in rows):
        raise CheckpointError(f"{file}: {name} has shape {list(shape)}; asked were its rows {list(rows)}.")


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as exc:
        raise CheckpointError(f"{file} is not a whole safetensors file: {exc}. Download it again.") from exc


def pickled_names(file: Path) -> frozenset[str]:
    """List the tensors of a pickled state dict without reading their values, where the file's format allows that.

    Raises:
        CheckpointError: as `read_pickle`.
    """
    # Only zip files can be mapped; torch wrote another format before 1.6.
    return frozenset(_load_pickle(file, mmap=zipfile.is_zipfile(file)))


def read_pickle(file: Path) -> dict[str, Tensor]:
    """Read a pickled state dict; anything but tensors and plain containers in it is refused.

    Raises:
        CheckpointError: the file is broken, holds other objects, or is not a mapping of tensors.
    """
    return _load_pickle(file, mmap=False)


def _load_pickle(file: Path, *, mmap: bool) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as exc:
        raise CheckpointError(
            f"{file} holds Python objects other than tensors, or is broken; it was not loaded. Use a checkpoint with "
            "safetensors weights."
        ) from exc
    except Exception as exc:  # broken bytes make the reader raise whatever it trips over
        raise CheckpointError(f"{file} is not a whole torch file: {exc}. Download it again.") from exc
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{file} must hold a mapping from names to tensors, found {type(state).__name__}.")
    return state
