"""From what the user typed to an opened checkpoint: a local folder, or a hub id."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.files import read_object, safe_relative
from cenote.checkpoints.sentence_transformers import read_sentence_transformers
from cenote.errors import CheckpointError

__all__ = ["open_checkpoint"]

_log = logging.getLogger(__name__)

Overrides: TypeAlias = Mapping[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")


def open_checkpoint(
    model: str,
    *,
    revision: str | None = None,
    hf_overrides: Overrides | None = None,
    hf_token: str | bool | None = None,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Open a local folder, or fetch a hub id and open its snapshot.

    Args:
        model: path of a folder with `config.json`, or a hub id such as `intfloat/e5-small-v2`. A folder of that
            name wins over the hub.
        revision: branch, tag or commit on the hub; of no effect for a folder.
        hf_overrides: entries that replace those of `config.json` (mappings inside are merged), or a function from
            the config mapping to the one to use.
        hf_token: access token of the hub; True is the one stored by `hf auth login`.
        trust_remote_code: allow the checkpoint's own code where nothing native fits.

    Raises:
        CheckpointError: the model is not found or not readable.
    """
    path = _locate(model, revision, hf_token)
    files = read_sentence_transformers(path)
    folder = safe_relative(path, files.transformer_path) if files else path
    static = files is not None and files.is_static
    if not static and not (folder / "config.json").is_file():
        raise CheckpointError(_no_config(model, folder))
    stored = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    if static:  # sentence-transformers writes no config for these
        stored.setdefault("architectures", ["StaticEmbedding"])
    config = _override(stored, hf_overrides)
    return Checkpoint(
        path=path, name=model, config=config, sentence_transformers=files, trust_remote_code=trust_remote_code
    )


def _locate(model: str, revision: str | None, hf_token: str | bool | None) -> Path:
    if not isinstance(model, str) or not model.strip() or "\0" in model:
        raise CheckpointError(f"model must be the path of a folder or a hub id, got {model!r}.")
    path = Path(model).expanduser()
    if path.is_dir():
        if revision is not None:
            _log.info("revision %r has no effect: %s is a local folder", revision, path)
        return path.resolve()
    if path.exists():
        raise CheckpointError(f"{model!r} is a file; give the folder that holds config.json and the weights.")
    if path.is_symlink():
        raise CheckpointError(f"{model!r} is a link to {path.readlink()}, which does not exist.")
    if not _HUB_ID.fullmatch(model):
        raise CheckpointError(f"There is no folder {model!r}, and it is not of the form of a hub id ('owner/name').")
    from cenote.checkpoints.hub import fetch_snapshot

    return fetch_snapshot(model, revision=revision, token=hf_token)


def _no_config(model: str, folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return (
            f"{model!r} holds a PEFT adapter (adapter_config.json) and no config.json. Merge it into its base model "
            "with peft's merge_and_unload() and save the result."
        )
    found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) if folder.is_dir() else "no such folder"
    return f"{model!r}: no config.json in {folder}. Found: {found or 'an empty folder'}."


def _override(config: dict[str, Any], overrides: Overrides | None) -> dict[str, Any]:
    if overrides is None:
        return config
    if callable(overrides):
        changed = overrides(config)
        if not isinstance(changed, dict):
            raise CheckpointError(f"hf_overrides must return the config as a dict, returned {type(changed).__name__}.")
        return changed
    return _merge(config, overrides)


def _merge(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings recursively only where both sides have a sub-config, else replace."""
    merged = dict(config)
    for key, value in overrides.items():
        old = merged.get(key)
        nested = key.endswith("_config") and isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if nested else value  # type: ignore[arg-type]
    return merged
