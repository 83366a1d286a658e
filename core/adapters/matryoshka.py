"""To which sizes a model's vectors may be cut."""

from __future__ import annotations

from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError

__all__ = ["matryoshka_sizes"]


def matryoshka_sizes(checkpoint: Checkpoint) -> tuple[bool, tuple[int, ...]]:
    """Return whether vectors may be cut, and the only sizes allowed (empty for any).

    `matryoshka_dimensions` and `is_matryoshka` are read from `config.json`, which the user's `hf_overrides` change,
    else from `config_sentence_transformers.json`.

    Raises:
        CheckpointError: the sizes are not positive whole numbers.
    """
    sizes = _setting(checkpoint, "matryoshka_dimensions")
    if sizes is None:
        return bool(_setting(checkpoint, "is_matryoshka")), ()
    if not isinstance(sizes, list | tuple) or not all(type(size) is int and size > 0 for size in sizes):
        raise CheckpointError(f"matryoshka_dimensions must be a list of positive whole numbers, found {sizes!r:.80}.")
    return bool(sizes or _setting(checkpoint, "is_matryoshka")), tuple(sizes)


def _setting(checkpoint: Checkpoint, key: str) -> Any:
    found = checkpoint.config_value(key)
    return checkpoint.settings_value(key) if found is None else found
