"""What reduced precision does to vectors, scores and rankings of each kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.agreement import agreement
from harness.arena import Arena, Entry
from harness.contest import reference_of, result_of
from harness.models import MODELS, REAL, model_folder
from harness.peers import CENOTE
from harness.process import WorkerError
from harness.workload import Workload, texts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TOP", "quality", "ranking_agreement", "vector_scores"]

_REDUCED = ("float32, high", "bfloat16", "int8")
#: Results of a query that count.
TOP = 10
#: Of the models that are compared by cenote alone: queries of a reranker, and how small a part of the corpus it is
#: given for each; texts of a model whose cosines are all that is compared.
_ASKED, _PART, _TEXTS = 10, 20, 16


def quality(arena: Arena, documents: int, queries: int) -> dict[str, Any]:
    """Compare reduced precisions with float32: cosines or differences, and agreement of rankings over a corpus.

    Queries are first lines of docstrings, documents other whole docstrings. Both sides are of the same precision, as a
    user would have them. The model with real weights is compared in every library; the others, whose weights are random
    at least in part, in cenote.
    """
    asked, corpus = [text.splitlines()[0] for text in texts_of(queries, seed=11)], texts_of(documents, seed=12)
    part = corpus[: max(TOP + 2, documents // _PART)]
    pairs = [(query, text) for query in asked[:_ASKED] for text in part]
    return {
        "top": TOP,
        "models": [
            _embedder(arena, asked, corpus),
            _texts_alone(arena, "embed", "bert-base", corpus[: max(4, documents // _TEXTS)]),
            _reranker(arena, "cross-encoder", pairs, len(part)),
            _texts_alone(arena, "encode", "colbert", corpus[: max(4, documents // _TEXTS)]),
            _reranker(arena, "colbert", pairs, len(part)),
        ],
    }


def _embedder(arena: Arena, asked: Sequence[str], corpus: Sequence[str]) -> dict[str, Any]:
    workload = Workload(model_folder(REAL, arena.home), [*asked, *corpus])
    wanted = reference_of(arena, "embed", workload)
    ideal = vector_scores(wanted, len(asked))
    rows = []
    with arena.open():
        for entry in arena.enter("embed", workload.folder, _REDUCED):
            found = _found(arena, entry, workload)
            if found is not None:
                ranks = ranking_agreement(vector_scores(found, len(asked)), ideal)
                rows.append(_row(entry, {**agreement("embed", found, wanted), **ranks}))
    return _section(REAL, "embed", len(corpus), len(asked), rows)


def _reranker(arena: Arena, model: str, pairs: Sequence[tuple[str, str]], documents: int) -> dict[str, Any]:
    """Compare scores of pairs, which lie query by query; a late-interaction model scores by MaxSim of its vectors."""
    workload = Workload(model_folder(model, arena.home), pairs)
    rows = []
    with arena.open():
        entries = arena.enter("rerank", workload.folder, ("float32", *_REDUCED), only=(CENOTE.name,))
        wanted = result_of(arena, entries[0], workload)
        for entry in entries[1:]:
            found = result_of(arena, entry, workload)
            ranks = ranking_agreement(found.reshape(-1, documents), wanted.reshape(-1, documents))
            rows.append(_row(entry, {**agreement("maxsim", found, wanted), **ranks}))
    return _section(model, "rerank", documents, len(pairs) // documents, rows)


def _texts_alone(arena: Arena, work: str, model: str, texts: Sequence[str]) -> dict[str, Any]:
    workload = Workload(model_folder(model, arena.home), texts)
    with arena.open():
        entries = arena.enter(work, workload.folder, ("float32", *_REDUCED), only=(CENOTE.name,))
        wanted = result_of(arena, entries[0], workload)
        rows = [_row(entry, agreement(work, result_of(arena, entry, workload), wanted)) for entry in entries[1:]]
    return _section(model, work, len(texts), 0, rows)


def vector_scores(rows: NDArray[np.float32], queries: int) -> NDArray[np.float32]:
    """Return the products [queries, documents] of the first `queries` vectors with the others."""
    scores: NDArray[np.float32] = rows[:queries] @ rows[queries:].T
    return scores


def ranking_agreement(found: NDArray[np.float32], wanted: NDArray[np.float32], top: int = TOP) -> dict[str, float]:
    """Compare the rankings of two tables of scores [queries, documents].

    Returns:
        `ndcg`: nDCG@top in the mean, where the float32 ranking's first document is worth `top`, the next one less, and
        so on (gain / log2(rank + 1), Järvelin and Kekäläinen 2002); `overlap`: the share of the first `top` in both.
    """
    import numpy as np

    own, ideal = (np.argsort(-scores, axis=1, kind="stable")[:, :top] for scores in (found, wanted))
    discounts = 1 / np.log2(np.arange(2, top + 2))
    best = float((np.arange(top, 0, -1) * discounts).sum())
    gains, shared = [], []
    for mine, theirs in zip(own, ideal, strict=True):
        worth = {int(document): top - place for place, document in enumerate(theirs)}
        values = np.array([worth.get(int(document), 0) for document in mine])
        gains.append(float((values * discounts).sum()) / best)
        shared.append(float((values > 0).mean()))
    return {"ndcg": float(np.mean(gains)), "overlap": float(np.mean(shared))}


def _found(arena: Arena, entry: Entry, workload: Workload) -> Any:
    try:
        return result_of(arena, entry, workload, 16)
    except WorkerError as error:
        arena.failed(entry.peer, entry.setting, error)
        return None


def _row(entry: Entry, facts: dict[str, Any]) -> dict[str, Any]:
    return {"peer": entry.peer.name, "title": entry.peer.title, "setting": entry.setting, **facts}


def _section(model: str, work: str, documents: int, queries: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"model": MODELS[model][0], "work": work, "documents": documents, "queries": queries, "rows": list(rows)}
