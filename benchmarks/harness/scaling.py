"""How throughput and memory follow the length of texts, their number, and how many are given at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.agreement import agreement
from harness.arena import Arena, Entry
from harness.curves import Place, curves
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
#: Who is shown beside cenote.
_BESIDE = ("sentence-transformers", "openvino")


def scaling(arena: Arena, tokens: int = _TOKENS, counts: Sequence[int] = _COUNTS) -> dict[str, Any]:
    """Measure speed over the length of texts, that of what is cut off, and their number at a time; memory over all."""
    folder = model_folder(REAL, arena.home)
    with arena.open():
        entries = arena.enter("embed", folder, ("float32", "bfloat16"), max(_LENGTHS), _BESIDE)
        by_length = _by_length(arena, entries, folder, tokens)
        by_group = _by_group(arena, entries, folder)
        by_rest = _by_rest(arena, entries)
    count = by_count(arena, folder, counts)
    return {"model": MODELS[REAL][0], "length": by_length, "together": by_group, "cut": by_rest, "count": count}


def _by_length(arena: Arena, entries: Sequence[Entry], folder: Path, tokens: int) -> list[dict[str, Any]]:
    """Measure everybody at each length, at the better of two batch sizes, and compare all vectors with cenote's."""
    texts = {length: _texts_of_length(folder, length, max(8, tokens // length)) for length in _LENGTHS}
    loads = {length: Workload(folder, given, max(_LENGTHS)) for length, given in texts.items()}
    places = [Place.of(arena, "length", length, given, (8, 32)) for length, given in texts.items()]
    found, vectors = curves(entries, places, arena.home / "result.npy")
    return [
        {
            "at": length,
            "operations_per_token": load.operations / sum(load.lengths),
            "cosine_min": min(agreement("embed", each, vectors[length][0])["cosine_min"] for each in vectors[length]),
            "tokens_per_second": {name: sum(load.lengths) / each[length] for name, each in found.items()},
        }
        for length, load in loads.items()
    ]


def _by_group(arena: Arena, entries: Sequence[Entry], folder: Path) -> list[dict[str, Any]]:
    """Measure everybody with more and more texts of 64 tokens at a time."""
    texts = {size: _texts_of_length(folder, 64, size) for size in _TOGETHER}
    tokens = {size: sum(Workload(folder, given, max(_LENGTHS)).lengths) for size, given in texts.items()}
    places = [Place.of(arena, "together", size, given, (min(size, 32),)) for size, given in texts.items()]
    found, _ = curves(entries, places, arena.home / "result.npy")
    rates = {size: {name: tokens[size] / each[size] for name, each in found.items()} for size in _TOGETHER}
    return [{"at": size, "tokens_per_second": each} for size, each in rates.items()]


def _by_rest(arena: Arena, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Measure texts of more and more characters, of which the same tokens are kept however many follow."""
    whole = "\n".join(texts_of(600, seed=5))
    whole *= max(_CHARACTERS) // len(whole) + 2
    starts = range(0, _CUT * min(_CHARACTERS), min(_CHARACTERS))
    texts = {characters: [whole[start : start + characters] for start in starts] for characters in _CHARACTERS}
    places = [Place.of(arena, "cut", characters, given, (_CUT,)) for characters, given in texts.items()]
    found, _ = curves(entries, places, arena.home / "result.npy")
    return [
        {"at": characters, "seconds_per_text": {name: each[characters] / _CUT for name, each in found.items()}}
        for characters in _CHARACTERS
    ]


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


def _texts_of_length(folder: Path, length: int, count: int) -> list[str]:
    """Cut docstrings laid end to end into texts of nearly so many tokens, special ones included."""
    from cenote.checkpoints import load_tokenizer, open_checkpoint

    tokenizer = load_tokenizer(open_checkpoint(str(folder)))
    kept = length - 2
    ids = tokenizer("\n".join(texts_of(600, seed=4)), add_special_tokens=False, verbose=False)["input_ids"]
    while len(ids) < kept * count:
        ids = ids + ids
    return [str(tokenizer.decode(ids[at * kept : (at + 1) * kept])) for at in range(count)]
