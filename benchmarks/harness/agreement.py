"""How far results are from those of plain transformers in float32, and how far they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["COSINES", "DIFFERENCES", "SHARES", "TOKENS", "agreement", "within"]

#: Least cosine of any vector, per setting; the same for every library.
COSINES = {"float32": 0.99999, "float32, high": 0.9999, "bfloat16": 0.9999, "int8": 0.99}
#: The same for vectors of single tokens, which no mean evens out.
TOKENS = {"float32": 0.9999, "float32, high": 0.9999, "bfloat16": 0.999, "int8": 0.95}
#: Largest difference of a reranker's score, between 0 and 1.
DIFFERENCES = {"float32": 1e-4, "float32, high": 1e-3, "bfloat16": 2e-2, "int8": 5e-2}
#: Largest difference of a MaxSim, as a share of the largest score.
SHARES = {"float32": 1e-5, "bfloat16": 1e-2, "int8": 2e-2}


def agreement(work: str, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> dict[str, Any]:
    """Compare results with the reference.

    Returns:
        `cosine_min` and `cosine_mean` of vectors [n, dim]; or `difference`, the largest, of scores [n]: absolute for
        `rerank`, and as a share of the largest score for `maxsim`.

    Raises:
        ValueError: the shapes differ.
    """
    import numpy as np

    if found.shape != wanted.shape:
        raise ValueError(f"The result is of shape {found.shape}, the reference of {wanted.shape}.")
    if work in ("rerank", "maxsim"):
        largest = float(np.abs(wanted).max()) if work == "maxsim" else 1.0
        return {"difference": float(np.abs(found - wanted).max()) / largest}
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (found.astype(np.float64) * wanted).sum(axis=1) / norms
    return {"cosine_min": float(cosines.min()), "cosine_mean": float(cosines.mean())}


def within(work: str, setting: str, facts: dict[str, Any]) -> bool:
    """Tell whether an agreement is good enough for the setting; a value that is no number is not."""
    if "cosine_min" in facts:
        return bool(facts["cosine_min"] >= (TOKENS if work == "encode" else COSINES)[setting])
    limits = SHARES if work == "maxsim" else DIFFERENCES
    return bool(facts["difference"] <= limits[setting])
