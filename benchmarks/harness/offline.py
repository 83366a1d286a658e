"""Offline throughput: embedding, reranking, vectors per token, and one short query."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.arena import Arena, Entry
from harness.contest import compete, reference_of, result_of, spread_of
from harness.models import MODELS, REAL, model_folder
from harness.process import WorkerError
from harness.rates import faster_of, matmul_rates, products_of
from harness.workload import Workload, pairs_of, texts_of

__all__ = ["embed", "encode", "rerank"]

_ALL = ("float32", "float32, high", "bfloat16", "int8")
#: Rounds in which one short query is asked, and how often in each; before that, as often off the clock.
_ROUNDS, _ASKED = 4, 25


def embed(arena: Arena, model: str, count: int, rounds: int) -> dict[str, Any]:
    """Compare everybody on mixed texts, then on one short text at a time where the model is the real one."""
    workload = Workload(model_folder(model, arena.home), texts_of(count))
    wanted = reference_of(arena, "embed", workload)
    with arena.open():
        entries = arena.enter("embed", workload.folder, _ALL)
        before = matmul_rates(arena)
        rows = compete(arena, entries, workload, "embed", wanted, rounds)
        rates = faster_of([before, matmul_rates(arena)])
        queries = _one_query(arena, entries, workload) if model == REAL else {}
    return {**_section(model, workload, rows, rates, rounds), **queries}


def rerank(arena: Arena, count: int, rounds: int) -> dict[str, Any]:
    """Compare everybody on pairs of a short query and a document of mixed length."""
    workload = Workload(model_folder("cross-encoder", arena.home), pairs_of(count))
    wanted = reference_of(arena, "rerank", workload)
    with arena.open():
        entries = arena.enter("rerank", workload.folder, _ALL)
        before = matmul_rates(arena)
        rows = compete(arena, entries, workload, "rerank", wanted, rounds)
        rates = faster_of([before, matmul_rates(arena)])
    return _section("cross-encoder", workload, rows, rates, rounds)


def encode(arena: Arena, count: int, rounds: int) -> dict[str, Any]:
    """Compare everybody on vectors per token. The reference is PyLate in float32, or cenote where it is missing."""
    workload = Workload(model_folder("colbert", arena.home), texts_of(count))
    with arena.open():
        entries = arena.enter("encode", workload.folder, _ALL)
        exact = [entry for entry in entries if entry.setting == "float32"]
        wanted = result_of(arena, exact[-1], workload, exact[-1].batch)
        rows = compete(arena, entries, workload, "encode", wanted, rounds)
    return {**_section("colbert", workload, rows, {}, rounds), "reference": exact[-1].peer.title}


def _one_query(arena: Arena, entries: Sequence[Entry], workload: Workload) -> dict[str, Any]:
    """Return the median milliseconds of one short text a call, in turns of many calls, and of its products alone."""
    text = "Which function returns the number of seconds since the epoch?"
    path = arena.inputs("query", [text])
    seconds: dict[int, list[float]] = {}
    for _ in range(_ROUNDS):
        for entry in entries:
            try:
                entry.worker.run(entry.handle, path, entry.batch, repeat=_ASKED)
                taken = entry.worker.run(entry.handle, path, entry.batch, repeat=_ASKED)["seconds"]
            except WorkerError:  # it failed on many texts before, which is listed
                continue
            seconds.setdefault(id(entry), []).extend(taken)
    tokens = Workload(workload.folder, [text]).lengths[0]
    rows = [
        {
            "peer": entry.peer.name,
            "title": entry.peer.title,
            "setting": entry.setting,
            "milliseconds": statistics.median(seconds[id(entry)]) * 1e3,
            "spread": spread_of(seconds[id(entry)]),
        }
        for entry in entries
        if id(entry) in seconds
    ]
    return {"query": rows, "query_tokens": tokens, "query_products": products_of(arena, workload.folder, tokens)}


def _section(
    model: str, workload: Workload, rows: Sequence[dict[str, Any]], rates: Mapping[str, float], rounds: int
) -> dict[str, Any]:
    """Put a contest together with the share of the matmul rate that each reached in its setting."""
    for row in rows:
        if (rate := rates.get(row["setting"])) is not None:
            speed = workload.operations / statistics.median(row["seconds"])
            row["share"] = speed / rate
    lengths = workload.lengths
    return {
        "model": MODELS[model][0],
        "inputs": len(workload.inputs),
        "tokens": sum(lengths),
        "max_tokens": workload.max_tokens,
        "operations": workload.operations,
        "rounds": rounds,
        "rates": dict(rates),
        "rows": list(rows),
    }
