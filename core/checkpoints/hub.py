"""Fetching a model from the hub into the local hub cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cenote.checkpoints.files import read_json
from cenote.errors import CheckpointError

__all__ = ["fetch_snapshot"]

#: What a loader can read. Pickled backbones are fetched only where there is no safetensors file.
_WANTED = (
    "*.json",
    "*.safetensors",
    "*.txt",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "*.jinja",
    "*.py",
    "*.pt",
    "artifact.metadata",
)
_UNWANTED = (
    "onnx/*",
    "openvino/*",
    "coreml/*",
    "gguf/*",
    "original/*",
    "checkpoint-*",
    "runs/*",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state*",
)


def fetch_snapshot(model: str, *, revision: str | None, token: str | bool | None) -> Path:
    """Download what is missing of a model and return its folder in the hub cache.

    Honours `HF_HUB_OFFLINE`, and falls back to the cache where the hub cannot be reached.

    Raises:
        CheckpointError: the hub does not have it, does not give it, or is not reachable.
    """
    path = _download(model, _WANTED, revision, token)
    # Other files of this format may lie beside a pickled backbone, such as the heads of BGE-M3.
    folders = [folder for folder in _weight_folders(path) if not any((path / folder).glob("model.safetensors*"))]
    if folders:
        patterns = tuple(f"{folder}/pytorch_model*" if folder else "pytorch_model*" for folder in folders)
        path = _download(model, patterns, revision, token)
    return path


def _download(model: str, patterns: tuple[str, ...], revision: str | None, token: str | bool | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                model, revision=revision, token=token, allow_patterns=list(patterns), ignore_patterns=list(_UNWANTED)
            )
        )
    except Exception as exc:  # the client raises its own, httpx's and the operating system's errors
        raise CheckpointError(_explain(model, revision, exc)) from exc


def _weight_folders(path: Path) -> list[str]:
    """List the backbone's folder and those of the modules that have weights of their own."""
    if not (path / "modules.json").is_file():
        return [""]
    entries: Any = read_json(path / "modules.json")
    if not isinstance(entries, list):
        return [""]
    found = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("path", ""), str)]
    kinds = ("Transformer", "StaticEmbedding", "Dense", "LayerNorm")
    return [entry.get("path", "") for entry in found if str(entry.get("type")).endswith(kinds)] or [""]


def _explain(model: str, revision: str | None, exc: Exception) -> str:
    from huggingface_hub import constants, errors

    asked = f"{model!r}" if revision is None else f"{model!r} at revision {revision!r}"
    if isinstance(exc, errors.GatedRepoError):
        return f"{asked} is gated on the hub. Accept its terms there, then use 'hf auth login' or hf_token."
    if isinstance(exc, errors.RevisionNotFoundError):
        return f"{asked}: the hub has the model but not this revision."
    if isinstance(exc, errors.RepositoryNotFoundError):
        return (
            f"There is no folder {model!r}, and the hub has no model of this name. Check the spelling; a private model "
            "needs 'hf auth login' or hf_token."
        )
    if isinstance(exc, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        return (
            f"There is no folder {model!r}; as a hub id it is not in the local hub cache, and {why}. Download it "
            "elsewhere and give its folder, or connect to the hub."
        )
    return f"{asked} could not be fetched from the hub: {type(exc).__name__}: {exc}"
