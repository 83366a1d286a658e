"""What the scripts of tests/clients compare with: one live server, and the numbers of the offline API.

Used by `make test-clients` and by tests/clients.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from cenote import LLM, PoolingParams
from cenote.checkpoints.default import default_model
from cenote.outputs import quantize
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.live import serving

__all__ = ["live_plan"]

KEY = "a-key-of-the-tests"
MODEL = "all-MiniLM-L6-v2"
#: LlamaIndex's Cohere class accepts only names that Cohere uses. Its vectors may be cut.
NESTED = "embed-english-v3.0"
CLASSIFIER = "tiny-classifier"
RERANKER = "tiny-reranker"
DIMENSIONS = 8

TEXTS = ["What is a cenote?", "A cenote is a natural pit filled with groundwater.", "Bread needs flour and water."]
QUERY = "What is a cenote?"
DOCUMENTS = ["Bread needs flour, water and salt.", "A cenote is a natural pit.", "The water below lies open."]


@contextlib.contextmanager
def live_plan(folder: Path) -> Iterator[Path]:
    """Serve four models under one address with a key, while the context lasts.

    Args:
        folder: an empty one, for checkpoints, the server's log and the plan.

    Yields:
        The plan: a JSON file with the address, the key, what to ask and what to get.
    """
    models = {
        MODEL: default_model(),
        NESTED: build_checkpoint("bert", folder / "nested", config={"is_matryoshka": True}),
        CLASSIFIER: build_checkpoint("bert_classifier", folder / "classifier"),
        RERANKER: build_checkpoint("ms_marco_minilm", folder / "reranker"),
    }
    plan = {
        "key": KEY,
        "model": MODEL,
        "nested_model": NESTED,
        "reranking_model": RERANKER,
        "served": list(models),
        "dimensions": DIMENSIONS,
        "texts": TEXTS,
        "query": QUERY,
        "documents": DOCUMENTS,
        **_embedded(str(models[MODEL])),
        **_nested(str(models[NESTED])),
        **_classified(str(models[CLASSIFIER])),
        **_ranked(str(models[RERANKER])),
    }
    named = [f"{name}={path}" for name, path in models.items()]
    with serving(folder / "server.log", *named, "--api-key", KEY) as address:
        places = dict.fromkeys(("embedder", "classifier", "reranker"), address)
        path = folder / "plan.json"
        path.write_text(json.dumps(plan | places))
        yield path


def _vectors(llm: LLM, texts: Sequence[Any], **params: Any) -> list[list[float]]:
    outputs = llm.embed(texts, pooling_params=PoolingParams(**params), use_tqdm=False)
    return [list(output.outputs.embedding) for output in outputs]


def _embedded(model: str) -> dict[str, Any]:
    with LLM(model) as llm:
        vectors = _vectors(llm, TEXTS)
        tokens = [output.prompt_token_ids for output in llm.embed(TEXTS, use_tqdm=False)]
        raw = _vectors(llm, TEXTS, use_activation=False)
        cosines = [output.outputs.score for output in llm.score(QUERY, DOCUMENTS, use_tqdm=False)]
    rows = torch.tensor(vectors)
    small = {dtype: quantize(rows, dtype).tolist() for dtype in ("int8", "uint8", "binary", "ubinary")}
    return {"vectors": vectors, "raw_vectors": raw, "token_ids": tokens, "cosines": cosines, **small}


def _nested(model: str) -> dict[str, Any]:
    with LLM(model) as llm:
        return {"nested_vectors": _vectors(llm, TEXTS), "nested_cut": _vectors(llm, TEXTS, dimensions=DIMENSIONS)}


def _classified(model: str) -> dict[str, Any]:
    with LLM(model) as llm:
        output = llm.classify(TEXTS[:1], use_tqdm=False)[0]
        labels = llm.labels
    found = sorted(zip(labels, output.outputs.probs, strict=True), key=lambda pair: -pair[1])
    return {"labels": [list(pair) for pair in found]}


def _ranked(model: str) -> dict[str, Any]:
    with LLM(model) as llm:
        return {"ranking": [[item.index, item.score] for item in llm.rerank(QUERY, DOCUMENTS)]}
