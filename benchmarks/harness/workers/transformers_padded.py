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
    """Load a BERT-like encoder (mean or first token, normalised), a classifier with one label, a ColBERT model that
    keeps all tokens of a document, or documents of MaxSim.

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
    if job.work == "encode":
        return _encode(torch, job, tokenizer, model)
    pooled = _pooling(torch, job) if job.work == "embed" else None

    def forward(part: Sequence[Any]) -> Any:
        texts = [list(side) for side in zip(*part, strict=True)] if job.work == "rerank" else [list(part)]
        inputs = tokenizer(*texts, padding=True, truncation=True, max_length=job.max_tokens, return_tensors="pt")
        with torch.inference_mode():
            if pooled is None:
                return torch.sigmoid(model(**inputs).logits[:, 0])
            return pooled(model(**inputs).last_hidden_state, inputs["attention_mask"])

    def run(inputs: Sequence[Any], batch: int) -> Any:
        order, parts = _parts(job, inputs, batch)
        rows = torch.cat([forward(part) for part in parts])
        found = torch.empty_like(rows)
        found[order] = rows
        return found.numpy()

    return run


def _parts(job: Job, inputs: Sequence[Any], batch: int) -> tuple[list[int], list[list[Any]]]:
    """Return the places of inputs in the order in which they are computed, and the inputs in batches."""
    order = list(range(len(inputs)))
    if job.setting == "sorted":
        order.sort(key=lambda index: sum(map(len, inputs[index])))
    return order, [[inputs[index] for index in order[at : at + batch]] for at in range(0, len(order), batch)]


def _encode(torch: Any, job: Job, tokenizer: Any, model: Any) -> Runner:
    """Return vectors of all tokens [T, dim], texts in their order: projected, and of length 1."""
    stored = json.loads((Path(job.folder) / "config_sentence_transformers.json").read_text())
    marker = tokenizer.convert_tokens_to_ids(stored["document_prefix"])
    load_file = importlib.import_module("safetensors.torch").load_file
    weight = load_file(Path(job.folder) / "1_Dense" / "model.safetensors")["linear.weight"]

    def forward(part: Sequence[str]) -> Any:
        inputs = tokenizer(part, padding=True, truncation=True, max_length=job.max_tokens - 1, return_tensors="pt")
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        ids = torch.cat([ids[:, :1], torch.full_like(ids[:, :1], marker), ids[:, 1:]], dim=1)
        mask = torch.cat([mask[:, :1], mask], dim=1)
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
            rows = torch.nn.functional.normalize(hidden @ weight.T, dim=-1)
        return [row[: int(length)] for row, length in zip(rows, mask.sum(1), strict=True)]

    def run(inputs: Sequence[Any], batch: int) -> Any:
        order, parts = _parts(job, inputs, batch)
        rows = [row for part in parts for row in forward(part)]
        return torch.cat([row for _, row in sorted(zip(order, rows, strict=True), key=lambda pair: pair[0])]).numpy()

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
