"""Names of stored tensors, read from file headers without touching the weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from cenote.checkpoints.files import read_object, safe_relative
from cenote.errors import CheckpointError

__all__ = ["SAFETENSORS", "stored_dtype", "stored_tensor_names", "tensor_header", "weight_files"]

SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"
#: Longest header that the safetensors library accepts, in bytes.
_MAX_HEADER = 100_000_000
_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a folder in the order of preference of transformers: safetensors before pickle.

    Raises:
        CheckpointError: there are none, or an index names a file that is missing.
    """
    for name in (SAFETENSORS, PICKLE):
        if (folder / name).is_file():
            return (folder / name,)
        if (folder / f"{name}.index.json").is_file():
            return _shards(folder / f"{name}.index.json")
    others = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".gguf", ".h5"))
    found = f"found {', '.join(others[:5])}" if others else "found no weights"
    raise CheckpointError(f"{folder} has neither {SAFETENSORS} nor {PICKLE}; {found}.")


def stored_tensor_names(folder: Path) -> frozenset[str]:
    """Return the names of all tensors that a folder's weight files hold.

    Raises:
        CheckpointError: no weights, a missing shard, or a broken header.
    """
    names: set[str] = set()
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            names.update(tensor_header(file))
        else:
            from cenote.checkpoints.tensors import pickled_names

            names.update(pickled_names(file))
    return frozenset(names)


def stored_dtype(folder: Path) -> str | None:
    """Return the torch name of the first float tensor's dtype; None for pickles, whose header tells nothing.

    Source: transformers 5.23 decides the same way where a config names no dtype.
    """
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            for entry in tensor_header(file).values():
                if entry.get("dtype") in _FLOATS:
                    return _FLOATS[entry["dtype"]]
    return None


def tensor_header(file: Path) -> dict[str, Any]:
    """Read a safetensors header: name to `{"dtype", "shape", "data_offsets"}`, and check the file is whole.

    Raises:
        CheckpointError: the header is broken, or the file is shorter than it says.

    Source: the format, https://huggingface.co/docs/safetensors (8 bytes length, JSON, data).
    """
    try:
        with file.open("rb") as handle:
            prefix = handle.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else _MAX_HEADER + 1
            if length > _MAX_HEADER:
                raise CheckpointError(f"{file} is not a safetensors file. Download it again.")
            header = json.loads(handle.read(length))
        header.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except OSError as exc:
        raise CheckpointError(f"Cannot read {file}: {exc.strerror or exc}.") from exc
    except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError) as exc:
        raise CheckpointError(f"{file} has a broken safetensors header. Download it again.") from exc
    size, needed = file.stat().st_size, 8 + length + end
    if size != needed:
        raise CheckpointError(f"{file} has {size} bytes, its header says {needed}. Download it again.")
    return dict(header)


def _shards(index: Path) -> tuple[Path, ...]:
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index} has no 'weight_map' from tensor names to files.")
    names = sorted(set(weight_map.values()))
    files = tuple(safe_relative(index.parent, name) for name in names)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(missing[:5])
        raise CheckpointError(
            f"{index} names {len(files)} weight files, {len(missing)} of them missing: {shown}. Download them."
        )
    return files
