"""Static embeddings: a table of token vectors and a tokenizer, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.testing.checkpoints.encoder_tokenizers import ENCODER_TOKENIZERS
from cenote.testing.checkpoints.weights import random_tensor, write_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["STATIC", "build_static"]

#: Names of the two layouts.
STATIC = ("static_embedding", "model2vec")
_SIZE = 32
_LIBRARY = "sentence_transformers.models"


def build_static(name: str, folder: str | Path, *, normalize: bool | None = None, mapped: bool = False) -> Path:
    """Write a tiny checkpoint of static embeddings; the same arguments give the same bytes.

    Args:
        name: `static_embedding` for a folder of sentence-transformers, or `model2vec`.
        folder: where to; created if missing.
        normalize: the vectors are normalised; None is what is published, `model2vec` alone.
        mapped: `model2vec` stores fewer rows than tokens, a mapping to them and a weight for each token.

    Returns:
        The folder.

    Raises:
        KeyError: no such layout.
    """
    if name not in STATIC:
        raise KeyError(f"No static embeddings {name!r}. Known: {', '.join(STATIC)}.")
    folder = Path(folder)
    normal = name == "model2vec" if normalize is None else normalize
    bare = {"[CLS]", "[SEP]"}
    tokenizer = ENCODER_TOKENIZERS["nomic"]()
    tokenizer = replace(tokenizer, special={k: v for k, v in tokenizer.special.items() if v not in bare})
    content = tokenizer.files(512)["tokenizer.json"]
    table = random_tensor(f"{name}/embedding", (tokenizer.vocab_size, _SIZE), 1.0)
    if name == "static_embedding":
        path = "0_StaticEmbedding"
        files = {f"{path}/tokenizer.json": content} | _modules(path, normalize=normal)
        tensors = {"embedding.weight": table}
    else:
        path = "."
        files = {"tokenizer.json": content, "config.json": _model2vec(normalize=normal)}
        files |= _modules(path, normalize=normal)
        tensors = _quantized(table) if mapped else {"embeddings": table}
    _write(files, folder)
    write_weights(tensors, folder / path, sharded=False, safetensors=True)
    return folder


def _quantized(table: Tensor) -> dict[str, Tensor]:
    """Return a table of a third of the rows, which row a token takes, and its weight."""
    import torch

    rows = table.shape[0] // 3
    weights = random_tensor("model2vec/weights", (table.shape[0],), 0.3).abs() + 0.2
    return {"embeddings": table[:rows].contiguous(), "mapping": torch.arange(table.shape[0]) % rows, "weights": weights}


def _model2vec(*, normalize: bool) -> dict[str, Any]:
    return {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": "baai/bge-base-en-v1.5",
        "apply_pca": _SIZE,
        "apply_zipf": True,
        "hidden_dim": _SIZE,
        "seq_length": 1000000,
        "normalize": normalize,
    }


def _modules(path: str, *, normalize: bool) -> dict[str, Any]:
    modules = [{"idx": 0, "name": "0", "path": path, "type": f"{_LIBRARY}.StaticEmbedding"}]
    if normalize:
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{_LIBRARY}.Normalize"})
    return {
        "modules.json": modules,
        "config_sentence_transformers.json": {
            "__version__": {"sentence_transformers": "3.3.0", "transformers": "4.46.3", "pytorch": "2.5.1"},
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }


def _write(files: Mapping[str, Any], folder: Path) -> None:
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
