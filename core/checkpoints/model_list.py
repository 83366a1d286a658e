"""The list of transformers' models, kept on disk for the files that it was made of.

transformers reads its 2,500 files of models at each start, to list what is in them. A kept list is for one installation
and counts as long as no file of a model has another size or time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TypeAlias

__all__ = ["ModelList", "read_list", "write_list"]

_log = logging.getLogger(__name__)

#: From the libraries that modules need to modules, and the names in each.
ModelList: TypeAlias = dict[frozenset[str], dict[str, set[str]]]


def read_list(models: Path) -> ModelList | None:
    """Return the list that was kept for a folder of models, or None where there is none for its files."""
    try:
        path = _path(models)
        if path.stat().st_uid not in (0, os.getuid()):
            return None  # a cache that others write to would choose what is imported here
        kept = json.loads(path.read_text())
        if kept["files"] != _digest(models):
            return None
        return {
            frozenset(needs): {module: {*names} for module, names in found.items()} for needs, found in kept["models"]
        }
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        _log.debug("no list of models is read: %s: %s", type(error).__name__, error)
        return None


def write_list(models: Path, listed: ModelList) -> None:
    """Keep a list for a folder of models, where the user's cache can be written."""
    found = [
        [sorted(needs), {module: sorted(names) for module, names in each.items()}] for needs, each in listed.items()
    ]
    try:
        path = _path(models)
        text = json.dumps({"files": _digest(models), "models": found})
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    except (OSError, RuntimeError) as error:
        _log.debug("the list of models is not kept: %s: %s", type(error).__name__, error)


def _path(models: Path) -> Path:
    """Return where the list is kept. Source: XDG Base Directory Specification.

    Raises:
        RuntimeError: the user has no home.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = named if named.is_absolute() else Path.home() / ".cache"
    return cache / "cenote" / f"transformers-{hashlib.sha256(str(models).encode()).hexdigest()[:16]}.json"


def _digest(models: Path) -> str:
    """Digest the names, sizes and times of all files of models, without reading them."""
    digest = hashlib.sha256()
    for folder in sorted([str(models), *(entry.path for entry in os.scandir(models) if entry.is_dir())]):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                facts = entry.stat()
                digest.update(f"{entry.path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
