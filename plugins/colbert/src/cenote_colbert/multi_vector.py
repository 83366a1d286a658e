"""Settings of the `MultiVectorEncoder` of sentence-transformers 6.2, which stand with its modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cenote.checkpoints import Checkpoint, DenseModule, NormalizeModule
from cenote.checkpoints.files import read_object, safe_relative
from cenote.checkpoints.modules import Module
from cenote.errors import CheckpointError
from cenote_colbert.settings import LateSettings
from cenote_colbert.values import Reader, flag, length, roles, text, texts, token_ids

__all__ = ["is_mask", "read_multi_vector"]

_LIBRARY = "sentence-transformers"
_SETTINGS = "config_sentence_transformers.json"
_TRANSFORMER = "sentence_bert_config.json"
_SIMILARITIES = {None: "MaxSim", "maxsim": "MaxSim", "meanmaxsim": "meanmaxsim"}
_EXPANSION_KEYS = ("strategy", "attend", "token", "length")
#: Keys of PyLate, which such a folder does not have.
_FOREIGN = ("query_prefix", "document_prefix", "do_query_expansion", "attend_to_expansion_tokens", "skiplist_words")


def is_mask(module: Module) -> bool:
    """Tell whether a module only chooses tokens."""
    return module.type.endswith(".MultiVectorMask")


def is_token_pooling(module: Module) -> bool:
    """Tell whether a module merges the vectors of tokens."""
    return module.type.endswith(".HierarchicalTokenPooling")


def read_multi_vector(checkpoint: Checkpoint) -> LateSettings:
    """Read the files of a pipeline of modules.

    Raises:
        CheckpointError: a value is of another kind, or a module is one that cannot be computed as it means it.

    Source: `MultiVectorEncoder`, `Transformer.preprocess`, `MultiVectorMask` and `Dense` of sentence-transformers 6.2.
    """
    files = checkpoint.sentence_transformers
    if files is None:
        raise CheckpointError(f"{checkpoint.name!r} has no modules.json.")
    similarity = _similarity(files.settings)
    for module in files.pipeline:
        _check_module(checkpoint, module)
    folder = safe_relative(checkpoint.path, files.transformer_path)
    transformer = read_object(folder / _TRANSFORMER) if (folder / _TRANSFORMER).is_file() else {}
    _check_transformer(transformer)
    lengths, sources = _lengths(transformer)
    chosen, of_mask = _mask(checkpoint, files.pipeline)
    marks = dict.fromkeys(("query_marker", "document_marker"), "prompts mark texts")
    return LateSettings(
        layout=_LIBRARY,
        unknown_words=False,
        strips=False,
        prompts_by_role=True,
        lower_case=files.do_lower_case,
        similarity=similarity,
        normalize=any(isinstance(module, NormalizeModule) for module in files.pipeline),
        sources={**sources, **of_mask, **marks, "similarity": _SETTINGS},
        **lengths,
        **chosen,
    )


def _similarity(settings: Mapping[str, Any]) -> str:
    similarity = settings.get("similarity_fn_name")
    foreign = [key for key in _FOREIGN if key in settings]
    if not isinstance(similarity, str | None) or similarity not in _SIMILARITIES or foreign:
        raise CheckpointError(
            f"{_SETTINGS}: similarity_fn_name is {similarity!r:.80} (known: maxsim, meanmaxsim); "
            f"keys that a MultiVectorEncoder does not have: {', '.join(foreign) or 'none'}."
        )
    return _SIMILARITIES[similarity]


def _lengths(transformer: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return how long texts are and how queries are filled, by our names, and who says so."""
    read = Reader(transformer, _TRANSFORMER, _LIBRARY)
    expansion = _expansion(transformer.get("query_expansion"))
    query = read.take("query_length", "query_length", length, None)
    document = read.take("document_length", "document_length", length, None)
    if expansion.pop("strategy", None) == "fixed":
        if query is not None and query < expansion["expansion_length"]:
            raise CheckpointError(f"{_TRANSFORMER}: query_length {query} is below the length of the expansion.")
        query = expansion["expansion_length"]
        read.sources["query_length"] = _TRANSFORMER
    sources = {**read.sources, "query_expansion": _TRANSFORMER}
    return {"query_length": query, "document_length": document, **expansion}, sources


def _mask(checkpoint: Checkpoint, pipeline: Sequence[Module]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return whose tokens have no vector, by our names, and who says so."""
    masks = [_config(checkpoint, module) for module in pipeline if is_mask(module)]
    if len(masks) != 1:
        raise CheckpointError(f"modules.json lists {len(masks)} modules MultiVectorMask; needed is one.")
    read = Reader(masks[0], "MultiVectorMask", _LIBRARY)
    words: tuple[str, ...] = ()
    of: tuple[str, ...] = ("document",)
    ids: tuple[int, ...] = ()
    chosen = {
        "skiplist_words": read.take("skiplist_words", "skiplist_words", texts, words),
        "skiplist_roles": read.take("skiplist_roles", "skiplist_tasks", roles, of),
        "keep_only_token_ids": read.take("keep_only_token_ids", "keep_only_token_ids", token_ids, ids),
    }
    return chosen, read.sources


def _config(checkpoint: Checkpoint, module: Module) -> Mapping[str, Any]:
    file = safe_relative(checkpoint.path, module.path) / "config.json"
    return read_object(file) if file.is_file() else {}


def _check_module(checkpoint: Checkpoint, module: Module) -> None:
    """Refuse modules whose settings change what the others give."""
    config = _config(checkpoint, module) if module.path else {}
    if isinstance(module, DenseModule) and config.get("module_input_name") == "sentence_embedding":
        raise CheckpointError(f"{module.path}: the Dense module reads 'sentence_embedding', but nothing pools tokens.")
    if isinstance(module, NormalizeModule) and not module.on_tokens:
        raise CheckpointError(f"{module.path}: the Normalize module must read 'token_embeddings'.")
    if is_token_pooling(module) and (config.get("pool_factor", 1.0) > 1 or config.get("normalize_embeddings")):
        raise CheckpointError(
            f"{module.path}: the vectors of documents are merged (pool_factor {config.get('pool_factor')!r}). Take the "
            "module out of modules.json, and ask for pool_factor in requests."
        )


def _check_transformer(config: Mapping[str, Any]) -> None:
    """Make sure that the first module gives the last hidden states of a text."""
    modalities = config.get("modality_config", {})
    way = modalities.get("text", {}) if isinstance(modalities, Mapping) else None
    expected: dict[str, tuple[Any, Any]] = {
        "transformer_task": (config.get("transformer_task", "feature-extraction"), "feature-extraction"),
        "module_output_name": (config.get("module_output_name", "token_embeddings"), "token_embeddings"),
        "modality_config": (way or {}, {"method": "forward", "method_output_name": "last_hidden_state"}),
        "processing_kwargs": (config.get("processing_kwargs") or {}, {}),
    }
    for key, (found, wanted) in expected.items():
        if found != wanted and not (key == "modality_config" and modalities == {}):
            raise CheckpointError(f"{_TRANSFORMER}: {key} must say {wanted!r}, found {found!r:.120}.")
    if isinstance(modalities, Mapping) and "message" in modalities:
        raise CheckpointError(f"{_TRANSFORMER}: texts go through a chat template, which queries and documents cannot.")


def _expansion(config: Any) -> dict[str, Any]:
    """Return what `query_expansion` says, by our names, and its strategy.

    Raises:
        CheckpointError: a key or value is unknown.
    """
    if config is None:
        return {"query_expansion": False}
    if not isinstance(config, Mapping) or not set(config) <= set(_EXPANSION_KEYS):
        raise CheckpointError(
            f"{_TRANSFORMER}: query_expansion must have the keys {_EXPANSION_KEYS}, found {config!r}."
        )
    if config.get("strategy") not in ("fixed", "min") or config.get("length") is None:
        raise CheckpointError(
            f"{_TRANSFORMER}: query_expansion needs a strategy (fixed, min) and a length: {config!r}."
        )
    read = Reader(config, f"{_TRANSFORMER}: query_expansion", _LIBRARY)
    return {
        "strategy": config["strategy"],
        "expansion_length": read.take("length", "length", length, None),
        "attend_to_expansion_tokens": read.take("attend", "attend", flag, False),
        "expansion_token": read.take("token", "token", text, None),
    }
