"""transformers as model cards show it: batches in the given order, padded; and the float32 reference of every run."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.job import Job, Runner
from harness.ragged import read_maxsim

__all__ = ["PACKAGES", "load"]

PACKAGES = ("transformers", "torch")


def load(job: Job) -> Runner:
    """Load a BERT-like encoder (mean or first token, normalised), a classifier with one label, or documents of MaxSim.

    Everything is in float32.

    The setting `sorted` lays texts out by length first, which changes no result and is faster: the reference.
    """
    torch = importlib.import_module("torch")
    torch.set_num_threads(job.threads)
    if job.work == "maxsim":
        return _maxsim(torch, job)
    library = importlib.import_module("transformers")
    tokenizer = library.AutoTokenizer.from_pretrained(job.folder)
    kind = library.AutoModelForSequenceClassification if job.work == "rerank" else library.AutoModel
    model = kind.from_pretrained(job.folder).eval()
    pooled = _pooling(torch, job) if job.work == "embed" else None

    def forward(part: Sequence[Any]) -> Any:
        texts = [list(side) for side in zip(*part, strict=True)] if job.work == "rerank" else [list(part)]
        inputs = tokenizer(*texts, padding=True, truncation=True, max_length=job.max_tokens, return_tensors="pt")
        with torch.inference_mode():
            if pooled is None:
                return torch.sigmoid(model(**inputs).logits[:, 0])
            return pooled(model(**inputs).last_hidden_state, inputs["attention_mask"])

    def run(inputs: Sequence[Any], batch: int) -> Any:
        order = list(range(len(inputs)))
        if job.setting == "sorted":
            order.sort(key=lambda index: sum(map(len, inputs[index])))
        parts = [[inputs[index] for index in order[at : at + batch]] for at in range(0, len(order), batch)]
        rows = torch.cat([forward(part) for part in parts])
        found = torch.empty_like(rows)
        found[order] = rows
        return found.numpy()

    return run


def _pooling(torch: Any, job: Job) -> Callable[[Any, Any], Any]:
    stored = json.loads((Path(job.folder) / "1_Pooling" / "config.json").read_text())
    first = bool(stored.get("pooling_mode_cls_token"))

    def pooled(hidden: Any, mask: Any) -> Any:
        if first:
            rows = hidden[:, 0]
        else:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            rows = (hidden * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(rows, dim=-1)

    return pooled


def _maxsim(torch: Any, job: Job) -> Runner:
    """Score padded documents, as a program without a library for it does."""
    query, vectors, lengths = read_maxsim(job.folder)
    parts = torch.from_numpy(vectors).split(lengths)
    padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    filled = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    one = torch.from_numpy(query)

    def run(_: Sequence[Any], __: int) -> Any:
        products = torch.einsum("qd,nld->nql", one, padded).masked_fill_(filled[:, None, :], float("-inf"))
        return products.amax(-1).sum(-1).numpy()

    return run
