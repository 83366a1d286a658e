"""How fast the machine's products are: the rate that a contest is held against, and those of one short text alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.arena import Arena

__all__ = ["at_most", "faster_of", "matmul_rates", "products_of"]

_SETTINGS = ("float32", "float32, high", "bfloat16", "int8")
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
