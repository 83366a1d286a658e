"""PyLate: vectors of tokens, and its MaxSim over padded documents."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.job import Job, Runner
from harness.ragged import read_maxsim

__all__ = ["PACKAGES", "load"]

PACKAGES = ("pylate", "sentence-transformers", "torch")


def load(job: Job) -> Runner:
    """Load a ColBERT model, or lay out documents for one query."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(job.threads)
    return _maxsim(torch, job) if job.work == "maxsim" else _encode(torch, job)


def _encode(torch: Any, job: Job) -> Runner:
    models: Any = importlib.import_module("pylate.models")
    numpy = importlib.import_module("numpy")
    model = models.ColBERT(
        job.folder,
        device="cpu",
        document_length=job.max_tokens,
        model_kwargs={"torch_dtype": getattr(torch, job.setting)},
    )

    def run(texts: Sequence[Any], batch: int) -> Any:
        rows = model.encode(list(texts), batch_size=batch, is_query=False, show_progress_bar=False)
        return numpy.concatenate([numpy.asarray(row, dtype=numpy.float32) for row in rows])

    return run


def _maxsim(torch: Any, job: Job) -> Runner:
    scores: Any = importlib.import_module("pylate.scores")
    query, vectors, lengths = read_maxsim(job.folder)
    padded = torch.zeros(len(lengths), max(lengths), query.shape[1])
    for row, part in zip(padded, torch.from_numpy(vectors).split(lengths), strict=True):
        row[: len(part)] = part
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).float()
    one = torch.from_numpy(query)[None]

    def run(_: Sequence[Any], __: int) -> Any:
        return scores.colbert_scores(one, padded, documents_mask=mask)[0].numpy()

    return run
