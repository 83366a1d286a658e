"""The longest query and the longest document, and who decided them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cenote.adapters import LoadOptions
from cenote.checkpoints import Checkpoint, SentenceTransformersFiles, build_config
from cenote.config import Resolved
from cenote.errors import CheckpointError
from cenote.inputs import resolve_max_tokens
from cenote.inputs.limits import DEFAULT_MAX_TOKENS, position_capacity
from cenote.types import Role
from cenote_colbert.settings import LateSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["in_effect", "resolve_lengths", "with_length"]


def resolve_lengths(
    checkpoint: Checkpoint, options: LoadOptions, settings: LateSettings, tokenizer: PreTrainedTokenizerBase
) -> dict[Role, Resolved[int]]:
    """Return both lengths in tokens, markers included; the user's `max_model_len` is that of documents.

    Raises:
        CheckpointError: the backbone takes fewer tokens than queries are filled up to, or than the user asks for.
        InvalidRequest: `max_model_len` is more than the backbone takes.
    """
    config, most = build_config(checkpoint), tokenizer.model_max_length
    query = resolve_max_tokens(config, max_seq_length=settings.query_length, model_max_length=most)
    document = resolve_max_tokens(
        config, user=options.max_model_len, max_seq_length=settings.document_length, model_max_length=most
    )
    filled = max(settings.expansion_length or 0, settings.query_length or 0)
    # Rotary positions go on without end, but filling is computed for every query, however short.
    takes = min(query.value, position_capacity(config.get_text_config()) or DEFAULT_MAX_TOKENS)
    if settings.query_expansion and filled > takes:
        raise CheckpointError(f"Queries are filled up to {filled} tokens, but the backbone takes {takes}.")
    return {"query": _named(query, settings, "query"), "document": _named(document, settings, "document")}


def _named(found: Resolved[int], settings: LateSettings, role: Role) -> Resolved[int]:
    """Return a length with its source: `resolve_max_tokens` takes every length for one of sentence-transformers."""
    told, source = getattr(settings, f"{role}_length"), settings.sources[f"{role}_length"]
    if found.source == "user":
        return found
    if source == "user" and told > found.value:
        raise CheckpointError(
            f"late_interaction says {role}_length {told}, but the backbone takes {found.value} tokens."
        )
    if found.source != "sentence_transformers" or source.endswith(".json"):
        return found
    return Resolved(found.value, "user" if source == "user" else "model_default")


def in_effect(settings: LateSettings, lengths: dict[Role, Resolved[int]]) -> LateSettings:
    """Return settings with the lengths that hold in place of those that the files name."""
    changed: dict[str, Any] = {}
    sources = dict(settings.sources)
    for role, length in lengths.items():
        name = f"{role}_length"
        told = getattr(settings, name)
        if length.source == "user":
            sources[name] = "user"
        elif told is None or told == length.value:
            continue
        else:
            sources[name] = "limit of the backbone"
        changed[name] = length.value
    return replace(settings, **changed, sources=sources)


def with_length(checkpoint: Checkpoint, length: int) -> Checkpoint:
    """Return a checkpoint whose files name this longest text: theirs may be that of the last text that was read."""
    files = checkpoint.sentence_transformers or SentenceTransformersFiles()
    return replace(checkpoint, sentence_transformers=replace(files, max_seq_length=length))
