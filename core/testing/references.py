"""The reference libraries as functions from texts to arrays, for `AdapterConformance`.

sentence-transformers is needed by the first function only, and is no dependency of cenote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from cenote.testing.checkpoints import build_backbone, family

__all__ = ["embed_with_sentence_transformers", "embed_with_transformers", "tokens_with_transformers"]

#: `max_seq_length` that `build_checkpoint` writes unless told otherwise.
_MAX_TOKENS = 128
_POOL: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda rows: rows.mean(dim=0),
    "cls": lambda rows: rows[0],
    "lasttoken": lambda rows: rows[-1],
}


def embed_with_sentence_transformers(folder: str | Path) -> Callable[[Sequence[str]], Sequence[Any]]:
    """Return sentence-transformers' encoding on the CPU, in float32 where the checkpoint is."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: list(model.encode(list(texts), batch_size=4, show_progress_bar=False))


def tokens_with_transformers(name: str, folder: str | Path) -> Callable[[Sequence[str]], Sequence[Tensor]]:
    """Return transformers' hidden states, one text at a time, then the checkpoint's Dense modules if any.

    Args:
        name: family of the look-alike checkpoint.
        folder: where `build_checkpoint` wrote it, with its default length limit.
    """
    model = _backbone(name, Path(folder))
    tokenizer = _tokenizer(Path(folder))
    dense = [_dense_weight(path) for path in sorted(Path(folder).glob("*_Dense/model.safetensors"))]
    return lambda texts: [_hidden(model, tokenizer, text, dense) for text in texts]


def embed_with_transformers(name: str, folder: str | Path) -> Callable[[Sequence[str]], Sequence[Tensor]]:
    """Return normalised vectors pooled from `tokens_with_transformers`.

    For layouts that sentence-transformers loads only with the checkpoint's own code (nomic, gte).
    """
    tokens = tokens_with_transformers(name, folder)
    pool = _POOL[family(name).pooling]
    return lambda texts: [torch.nn.functional.normalize(pool(rows), dim=-1) for rows in tokens(texts)]


def _backbone(name: str, folder: Path) -> Any:
    if family(name).native_layout:
        return transformers.AutoModel.from_pretrained(folder).eval()
    return build_backbone(name)


def _tokenizer(folder: Path) -> Any:
    # By class, because AutoTokenizer would read a config.json that transformers does not know.
    class_name = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    return getattr(transformers, class_name).from_pretrained(folder)


def _dense_weight(path: Path) -> Tensor:
    from safetensors.torch import load_file

    return load_file(path)["linear.weight"]


@torch.inference_mode()
def _hidden(model: Any, tokenizer: Any, text: str, dense: Sequence[Tensor]) -> Tensor:
    ids = tokenizer(text, truncation=True, max_length=_MAX_TOKENS, padding=False, return_tensors="pt")["input_ids"]
    hidden: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]  # [tokens, size]
    for weight in dense:
        hidden = hidden @ weight.T
    return hidden
