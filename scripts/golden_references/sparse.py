"""References of sparse encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SparseEncoder

from cenote.testing.goldens import GoldenRow
from cenote.testing.references import tokens_with_transformers
from golden_references.base import Reference

__all__ = ["sparse_encoder"]


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
