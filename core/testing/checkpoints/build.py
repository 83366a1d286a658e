"""Put a look-alike checkpoint together and write it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from cenote.testing.checkpoints.catalogue import family
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.models import published_config
from cenote.testing.checkpoints.side_files import LayoutOptions, SentenceTransformersLayout, side_files
from cenote.testing.checkpoints.tensors import published_tensors, random_tensors
from cenote.testing.checkpoints.weights import random_tensor, write_pickle, write_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["build_checkpoint"]

_IDENTITY = "torch.nn.modules.linear.Identity"
#: Model types whose position table has two rows more than usable positions.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "mpnet"}


def build_checkpoint(
    name: str,
    folder: str | Path,
    *,
    sentence_transformers: bool | None = None,
    labels: int | Sequence[str] | None = None,
    prefix: str | None = None,
    pooler: bool = True,
    config: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    sharded: bool = False,
    safetensors: bool | None = None,
    **layout: Unpack[LayoutOptions],
) -> Path:
    """Write a tiny checkpoint in the published layout of a family; the same arguments give the same bytes.

    Args:
        name: one of `FAMILIES`, `HEADED`, `VISUAL` or `TOWERS`.
        folder: where to; created if missing.
        sentence_transformers: write `modules.json` and what belongs to an embedder; None is the family's own. Without,
            `layout` has no effect.
        labels: names of a classifier's labels, or how many; None is the family's own.
        prefix: what stands before the names of the backbone's tensors (`""` for nothing); None is the family's own.
        pooler: store the backbone's pooling layer, where it has one.
        config: entries that replace or extend those of `config.json`.
        dtype: torch dtype of the stored weights.
        sharded: store them in two files with an index.
        safetensors: store them in this format, or as pickles; None is the family's own.
        **layout: what the files of sentence-transformers say, as `LayoutOptions` has it.

    Returns:
        The folder.

    Raises:
        KeyError: no such family.
    """
    chosen = family(name)
    folder = Path(folder)
    names = _label_names(labels)
    own = published_config(chosen, names)
    published = {"architectures": [chosen.architecture], **own, **(config or {})}
    embedder = chosen.side_files if sentence_transformers is None else sentence_transformers
    sides = _layout(chosen, own, layout) if embedder else None
    _write_files(_files(chosen, published, sides), folder)
    tensors = published_tensors(chosen, own, labels=names, prefix=prefix, pooler=pooler)
    as_published = not chosen.pickled if safetensors is None else safetensors
    write_weights(_cast(tensors, dtype), folder, sharded=sharded, safetensors=as_published)
    _write_modules(chosen, folder)
    if sides is not None:
        _write_dense(sides, folder, name)
    return folder


def _layout(chosen: Family, config: Mapping[str, Any], options: LayoutOptions) -> SentenceTransformersLayout:
    """Fill in what the family has where nothing, or None, was asked for."""
    asked: dict[str, Any] = dict(options)
    own = {"pooling": chosen.pooling, "dense": chosen.dense, "prompts": chosen.prompts}
    given = asked | {key: value for key, value in own.items() if asked.get(key) is None}
    methods, dense = given.pop("pooling"), given.pop("dense")
    return SentenceTransformersLayout(
        pooling=(methods,) if isinstance(methods, str) else tuple(methods),
        pooling_size=_hidden_size(config),
        dense=[(entry, _IDENTITY) if isinstance(entry, int) else entry for entry in dense],
        **given,
    )


def _label_names(labels: int | Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(labels, int):
        return tuple(f"LABEL_{index}" for index in range(labels))
    return None if labels is None else tuple(labels)


def _hidden_size(config: Mapping[str, Any]) -> int:
    return int(next(config[key] for key in ("hidden_size", "dim", "n_embd") if key in config))


def _tokenizer_limit(config: Mapping[str, Any]) -> int:
    """Return `model_max_length`: the usable positions, which in RoBERTa's family are two less than the table's rows."""
    text = config.get("vlm_config", config)
    text = text.get("text_config") or text.get("llm_config") or text
    positions = int(text.get("max_position_embeddings") or text["n_positions"])
    return positions - 2 if config.get("model_type") in _OFFSET_POSITIONS else positions


def _files(chosen: Family, published: Mapping[str, Any], layout: SentenceTransformersLayout | None) -> dict[str, Any]:
    """Return the content of all files but the weights, by relative name."""
    tokenizer = chosen.tokenizer()
    files = {"config.json": published, **tokenizer.files(_tokenizer_limit(published))}
    if chosen.chat_template is not None:
        files["tokenizer_config.json"]["chat_template"] = chosen.chat_template
    if layout is not None:
        files |= side_files(layout)
    if chosen.files is not None:
        files |= chosen.files(tokenizer)
    return files


def _write_files(files: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")


def _cast(tensors: Mapping[str, Tensor], dtype: str) -> dict[str, Tensor]:
    import torch

    kind = getattr(torch, dtype)
    return {name: value.to(kind) if value.is_floating_point() else value for name, value in tensors.items()}


def _write_modules(chosen: Family, folder: Path) -> None:
    for path, shapes in chosen.modules.items():
        weights = random_tensors(f"{chosen.name}/{path}", shapes, chosen.gain)
        if path.endswith(".pt"):
            write_pickle(weights, folder / path)
        else:
            write_weights(weights, folder / path, sharded=False, safetensors=True)


def _write_dense(layout: SentenceTransformersLayout, folder: Path, name: str) -> None:
    size = layout.pooling_size * len(layout.pooling)
    for relative, (outputs, _) in zip(layout.dense_folders, layout.dense, strict=True):
        weight = random_tensor(f"{name}/{relative}", (outputs, size), size**-0.5)
        write_weights({"linear.weight": weight}, folder / relative, sharded=False, safetensors=True)
        size = outputs
