"""Reading small JSON files of a checkpoint, with errors that name the file and the fault."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from cenote.errors import CheckpointError

__all__ = ["read_json", "read_object", "safe_relative"]

#: The largest JSON file that is read. Shard indexes of the biggest models stay below 20 MB.
MAX_JSON_BYTES = 256 * 1024 * 1024


def read_json(path: Path) -> Any:
    """Parse one JSON file.

    Raises:
        CheckpointError: the file is missing, unreadable, too large, or not JSON.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(
                f"{path} has {path.stat().st_size} bytes; no JSON file of a checkpoint is that large."
            )
        return json.loads(path.read_bytes())
    except OSError as exc:
        raise CheckpointError(
            f"Cannot read {path}: {exc.strerror or exc}. Check that the checkpoint is whole."
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise CheckpointError(f"{path} is not valid JSON: {exc}. Download the file again.") from exc


def read_object(path: Path) -> dict[str, Any]:
    """Parse one JSON file that must hold an object.

    Raises:
        CheckpointError: as `read_json`, or the file holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object, found {type(value).__name__} {_shorten(value)}.")
    return value


def safe_relative(root: Path, relative: str) -> Path:
    """Join a folder that a file of the checkpoint names, without leaving the checkpoint.

    Raises:
        CheckpointError: the name is absolute or climbs out of the checkpoint.
    """
    parts = PurePosixPath(relative.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and ":" in parts.parts[0]):
        raise CheckpointError(f"{root} names the folder {relative!r}, which is outside the checkpoint.")
    return root / parts


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
