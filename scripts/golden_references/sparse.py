"""References of models that give sparse vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SparseEncoder

from cenote.testing.goldens import GoldenRow
from cenote.testing.references import tokens_with_transformers
from golden_references.base import Reference

__all__ = ["flag_embedding_m3", "sparse_encoder"]


def flag_embedding_m3(row: GoldenRow, folder: Path) -> Reference:
    """FlagEmbedding's `BGEM3FlagModel`, one text at a time; terms with all their zeros."""
    from FlagEmbedding import BGEM3FlagModel  # type: ignore[import-not-found]

    model = BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu", batch_size=1)
    keys = {"embed": "dense_vecs", "token_embed": "colbert_vecs", "sparse_embed": "lexical_weights"}

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        asked = {"return_sparse": method == "sparse_embed", "return_colbert_vecs": method == "token_embed"}
        found = model.encode(list(inputs), max_length=128, **asked)[keys[method]]
        return [_spread(weights, model.tokenizer.vocab_size) for weights in found] if asked["return_sparse"] else found

    return answer


def _spread(weights: Mapping[str, Any], size: int) -> Any:
    row = np.zeros(size, np.float32)
    for key, weight in weights.items():
        row[int(key)] = weight
    return row


def sparse_encoder(row: GoldenRow, folder: Path) -> Reference:
    """sentence-transformers' `SparseEncoder`: vectors with their zeros, and the similarity of queries and documents."""
    model = SparseEncoder(str(folder), device="cpu")

    def answer(method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Any]:
        if method == "token_embed":
            return tokens_with_transformers(row.family, folder)(inputs)
        if method == "score":
            queries = model.encode_query([pair[0] for pair in inputs])
            return list(model.similarity_pairwise(queries, model.encode_document([pair[1] for pair in inputs])))
        prompt = options.get("prompt_name")
        return list(model.encode(list(inputs), prompt_name=prompt, convert_to_sparse_tensor=False))

    return answer
