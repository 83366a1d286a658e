"""The user's word over that of the files: `hf_overrides={"late_interaction": {...}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cenote.errors import CheckpointError
from cenote_colbert.settings import LateSettings
from cenote_colbert.values import Reader, flag, length, text, texts

__all__ = ["override"]

_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "query_length": length,
    "document_length": length,
    "query_marker": text,
    "document_marker": text,
    "query_expansion": flag,
    "attend_to_expansion_tokens": flag,
    "expansion_token": text,
    "skiplist_words": texts,
}


def override(settings: LateSettings, wanted: Any) -> LateSettings:
    """Put the user's values over those of the files.

    Args:
        settings: of the files.
        wanted: what config.json has under `late_interaction`, or None.

    Raises:
        CheckpointError: it is no mapping, a key is unknown, or a value is of another kind.
    """
    if wanted is None:
        return settings
    if not isinstance(wanted, Mapping) or not set(wanted) <= set(_KINDS):
        found = ", ".join(sorted(map(str, set(wanted) - set(_KINDS)))) if isinstance(wanted, Mapping) else repr(wanted)
        raise CheckpointError(f"late_interaction must be a mapping; known keys are {', '.join(_KINDS)}, not {found}.")
    markers = {"query_marker", "document_marker"} & set(wanted)
    if markers and settings.layout == "sentence-transformers":
        raise CheckpointError(
            f"late_interaction has {min(markers)}, but this folder of sentence-transformers marks texts by its prompts."
        )
    read = Reader(wanted, "late_interaction", "", dict(settings.sources))
    values = {key: read.take(key, key, _KINDS[key], None) for key in wanted if wanted[key] is not None}
    return replace(settings, **values, sources={**read.sources, **dict.fromkeys(values, "user")})
