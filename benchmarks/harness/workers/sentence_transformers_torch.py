"""sentence-transformers on torch; it sorts texts by length and pads each batch."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load", "runner_of"]

PACKAGES = ("sentence-transformers", "torch", "transformers")


def load(job: Job) -> Runner:
    """Load a bi-encoder or a cross-encoder in float32 or bfloat16."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(job.threads)
    return runner_of(job, model_kwargs={"torch_dtype": getattr(torch, job.setting)})


def runner_of(job: Job, **options: Any) -> Runner:
    """Return what runs a model of sentence-transformers, whatever its backend."""
    library = importlib.import_module("sentence_transformers")
    kind = library.CrossEncoder if job.work == "rerank" else library.SentenceTransformer
    model = kind(job.folder, device="cpu", **options)
    if job.work == "rerank":
        model.max_length = job.max_tokens
    else:
        model.max_seq_length = job.max_tokens

    def run(inputs: Sequence[Any], batch: int) -> Any:
        if job.work == "rerank":
            return model.predict([tuple(pair) for pair in inputs], batch_size=batch, show_progress_bar=False)
        vectors = model.encode(list(inputs), batch_size=batch, show_progress_bar=False, convert_to_tensor=True)
        return vectors.float().numpy()

    return run
