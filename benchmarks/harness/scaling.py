"""How throughput and memory follow the length of texts, their number, and how many are given at a time."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.agreement import agreement
from harness.arena import Arena, Entry
from harness.models import MODELS, REAL, model_folder
from harness.peers import CENOTE
from harness.workload import Workload, texts_of

__all__ = ["by_count", "scaling"]

_LENGTHS = (32, 64, 128, 256, 512)
_TOGETHER = (1, 4, 16, 64, 256)
_COUNTS = (500, 4000, 32_000)
#: Characters of texts that are cut, and how many texts.
_CHARACTERS, _CUT = (4_000, 40_000, 400_000), 8
#: Tokens of a measured call where lengths vary.
_TOKENS = 8_000
#: Seconds after which a point gets no further call; and calls that it gets at most.
_POINT, _CALLS = 0.6, 60
#: Who is shown beside cenote.
_BESIDE = ("sentence-transformers", "openvino")


def scaling(arena: Arena, tokens: int = _TOKENS, counts: Sequence[int] = _COUNTS) -> dict[str, Any]:
    """Measure speed over the length of texts, that of what is cut off, and their number at a time; memory over all."""
    folder = model_folder(REAL, arena.home)
    with arena.open():
        entries = arena.enter("embed", folder, ("float32", "bfloat16"), max(_LENGTHS), _BESIDE)
        by_length = [_at_length(arena, entries, folder, length, tokens) for length in _LENGTHS]
        by_group = [_together(arena, entries, size, folder) for size in _TOGETHER]
        by_rest = [_cut(arena, entries, characters) for characters in _CHARACTERS]
    count = by_count(arena, folder, counts)
    return {"model": MODELS[REAL][0], "length": by_length, "together": by_group, "cut": by_rest, "count": count}


def _at_length(arena: Arena, entries: Sequence[Entry], folder: Path, length: int, tokens: int) -> dict[str, Any]:
    """Measure everybody at one length, at the better of two batch sizes, and compare all vectors with cenote's."""
    import numpy as np

    texts = _texts_of_length(folder, length, max(8, tokens // length))
    workload = Workload(folder, texts, max(_LENGTHS))
    path, warm = arena.inputs("length", texts), arena.inputs("warm", texts[:8])
    points, saved, found = {}, arena.home / "result.npy", []
    for entry in entries:
        sizes = (8, 32) if len(entry.sizes) > 1 else (0,)
        points[_name(entry)] = max(
            sum(workload.lengths) / statistics.median(_point(entry, path, warm, size, saved)) for size in sizes
        )
        found.append(np.load(saved))
    return {
        "at": length,
        "operations_per_token": workload.operations / sum(workload.lengths),
        "cosine_min": min(agreement("embed", each, found[0])["cosine_min"] for each in found),
        "tokens_per_second": points,
    }


def _together(arena: Arena, entries: Sequence[Entry], size: int, folder: Path) -> dict[str, Any]:
    texts = _texts_of_length(folder, 64, size)
    lengths = Workload(folder, texts, max(_LENGTHS)).lengths
    path, warm = arena.inputs("together", texts), arena.inputs("warm", texts[:8])
    points = {
        _name(entry): sum(lengths) / statistics.median(_point(entry, path, warm, min(size, 32))) for entry in entries
    }
    return {"at": size, "tokens_per_second": points}


def _cut(arena: Arena, entries: Sequence[Entry], characters: int) -> dict[str, Any]:
    """Measure texts of so many characters, of which the same tokens are kept however many follow."""
    whole = "\n".join(texts_of(600, seed=5))
    whole *= characters // len(whole) + 2
    texts = [whole[start : start + characters] for start in range(0, _CUT * 4000, 4000)]
    path, warm = arena.inputs("cut", texts), arena.inputs("warm", texts[:1])
    points = {_name(entry): statistics.median(_point(entry, path, warm, _CUT)) / _CUT for entry in entries}
    return {"at": characters, "seconds_per_text": points}


def _point(entry: Entry, path: Path, warm: Path, size: int, saved: Path | None = None) -> list[float]:
    """Return the seconds of several calls after one off the clock."""
    answer = entry.worker.run(entry.handle, path, size, repeat=_CALLS, limit=_POINT, warm=warm, save=saved)
    seconds: list[float] = answer["seconds"]
    return seconds


def by_count(arena: Arena, folder: Path, counts: Sequence[int], setting: str = "bfloat16") -> list[dict[str, Any]]:
    """Embed more and more short texts in one fresh process: seconds per text, and the peak of memory so far."""
    found = []
    short = [text.splitlines()[0][:100] for text in texts_of(min(1000, max(counts)), seed=3)]
    width = json.loads((folder / "config.json").read_text())["hidden_size"]
    with arena.fresh(CENOTE) as worker:
        handle = worker.load(arena.job("vectors", folder, setting))["handle"]
        for count in counts:
            texts = [short[place % len(short)] for place in range(count)]
            answer = worker.run(handle, arena.inputs("count", texts), 0)
            facts = {"texts_per_second": count / answer["seconds"][0], "peak_memory": answer["peak_memory"]}
            found.append({"at": count, **facts, "result_memory": 4 * width * count})
    return found


def _name(entry: Entry) -> str:
    return f"{entry.peer.name}, {entry.setting}"


def _texts_of_length(folder: Path, length: int, count: int) -> list[str]:
    """Cut docstrings laid end to end into texts of nearly so many tokens, special ones included."""
    from cenote.checkpoints import load_tokenizer, open_checkpoint

    tokenizer = load_tokenizer(open_checkpoint(str(folder)))
    kept = length - 2
    ids = tokenizer("\n".join(texts_of(600, seed=4)), add_special_tokens=False, verbose=False)["input_ids"]
    while len(ids) < kept * count:
        ids = ids + ids
    return [str(tokenizer.decode(ids[at * kept : (at + 1) * kept])) for at in range(count)]
