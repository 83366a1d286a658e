"""How fast the machine's products are: the rate that a contest is held against, and those of one short text alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.arena import Arena

__all__ = ["at_most", "faster_of", "hold_against_best", "matmul_rates", "products_of"]

_SHORTENED = "float32, high"
_SETTINGS = ("float32", _SHORTENED, "bfloat16", "int8")
#: Those in which one short text is held against its products.
_EXACT = ("float32", "bfloat16", "int8")


def matmul_rates(arena: Arena, settings: Sequence[str] = _SETTINGS) -> dict[str, float]:
    """Measure the rate of the fastest product per setting, in operations a second."""
    return {setting: _measured(arena, "matmul", setting, []) for setting in settings}


def products_of(arena: Arena, folder: Path, tokens: int) -> dict[str, float]:
    """Measure how long all products of a model take on so many tokens, in milliseconds per setting."""
    config = json.loads((folder / "config.json").read_text())
    sizes = [tokens, *(config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))]
    return {setting: _measured(arena, "products", setting, sizes) * 1e3 for setting in _EXACT}


def faster_of(rates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the highest rate per setting of several measurements."""
    return {name: max(each[name] for each in rates) for name in rates[0]}


def hold_against_best(sections: Mapping[str, dict[str, Any]]) -> None:
    """Hold the shares of all sections of a run against the highest rate that any of them saw, in place.

    The machine is the same for all, and only what else it did made one lower. Shortened float32 products may be plain
    ones where these are faster.

    Args:
        sections: those with `rates` have rows, some with the `share` of the section's own rate.
    """
    measured = [section["rates"] for section in sections.values() if section.get("rates")]
    best = {
        name: max(each.get(name, 0.0) for each in measured) for name in {name for each in measured for name in each}
    }
    if _SHORTENED in best:
        best[_SHORTENED] = max(best[_SHORTENED], best.get("float32", 0.0))
    for section in sections.values():
        if own := section.get("rates"):
            for row in section["rows"]:
                if "share" in row:
                    row["share"] *= own[row["setting"]] / best[row["setting"]]
            section["rates"] = {name: best[name] for name in own}


def at_most(products: Mapping[str, float], rows: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Return the products' milliseconds, per setting no more than the fastest whole text that any library computed.

    Args:
        products: milliseconds per setting.
        rows: with `setting` and `milliseconds` of whole texts.
    """
    whole = {name: [float(str(row["milliseconds"])) for row in rows if row["setting"] == name] for name in products}
    return {name: min([value, *whole[name]]) for name, value in products.items()}


def _measured(arena: Arena, work: str, setting: str, inputs: Sequence[int]) -> float:
    import numpy as np

    saved = arena.home / "rate.npy"
    with arena.local("matmul") as worker:
        handle = worker.load(arena.job(work, arena.home, setting))["handle"]
        worker.run(handle, arena.inputs("rate", inputs), 0, save=saved)
    return float(np.load(saved)[0])
