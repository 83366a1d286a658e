"""FlagEmbedding, which sorts texts by length and pads each batch."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("FlagEmbedding", "torch", "transformers")


def load(job: Job) -> Runner:
    """Load a bi-encoder with mean pooling, or a reranker, in float32."""
    library: Any = importlib.import_module("FlagEmbedding")
    importlib.import_module("torch").set_num_threads(job.threads)
    if job.work == "rerank":
        reranker = library.FlagReranker(job.folder, use_fp16=False, devices=["cpu"])

        def rerank(pairs: Sequence[Any], batch: int) -> Any:
            given = [tuple(pair) for pair in pairs]
            return reranker.compute_score(given, batch_size=batch, max_length=job.max_tokens, normalize=True)

        return rerank
    model = library.FlagModel(job.folder, pooling_method="mean", use_fp16=False, devices=["cpu"])

    def embed(texts: Sequence[Any], batch: int) -> Any:
        return model.encode(list(texts), batch_size=batch, max_length=job.max_tokens)

    return embed
