"""A text's terms: which are kept, and how each database wants them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cenote_sparse_terms.schemas import Cells, Format, Indexed, Terms, TermVector, Vector

__all__ = ["FORMATS", "MOST_TERMS", "Weights", "keep", "most_terms"]

#: Terms of a vector that a database takes at most. Source: docs.pinecone.io, "Database limits", sparse vectors.
MOST_TERMS: Mapping[Format, int] = {"pinecone": 2048}


@dataclass(frozen=True, slots=True)
class Weights:
    """The terms of a text.

    Attributes:
        indices: ids in the vocabulary, ascending.
        values: their weights.
        labels: their names, no two alike.
    """

    indices: list[int]
    values: list[float]
    labels: list[str]

    def terms(self) -> Terms:
        """Return the weights by name, the heaviest first."""
        pairs = sorted(zip(self.labels, self.values, strict=True), key=lambda pair: -pair[1])
        return dict(pairs)


def most_terms(form: Format, top_k: int | None) -> int | None:
    """Return how many terms of a text are kept; None is all of them.

    Raises:
        ValueError: more are asked for than the database takes.
    """
    most = MOST_TERMS.get(form)
    if most is None or top_k is None:
        return most if top_k is None else top_k
    if top_k > most:
        raise ValueError(f"top_k={top_k} is asked for; the format {form!r} has at most {most} terms.")
    return top_k


def keep(
    indices: list[int], values: list[float], *, top_k: int | None, min_weight: float | None
) -> tuple[list[int], list[float]]:
    """Return the ids and weights that are kept, by ascending id; of equal weights the lower ids."""
    pairs = [pair for pair in zip(indices, values, strict=True) if min_weight is None or pair[1] >= min_weight]
    if top_k is not None:
        pairs = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:top_k]
    pairs.sort()
    return [index for index, _ in pairs], [value for _, value in pairs]


def _terms(weights: Weights) -> Vector:
    return TermVector(indices=weights.indices, values=weights.values, terms=weights.terms())


def _indexed(weights: Weights) -> Vector:
    """Write what Qdrant calls a SparseVector and Pinecone SparseValues."""
    return Indexed(indices=weights.indices, values=weights.values)


def _milvus(weights: Weights) -> Vector:
    """Write what Milvus takes for a SPARSE_FLOAT_VECTOR: one member per id."""
    return {str(index): value for index, value in zip(weights.indices, weights.values, strict=True)}


def _vespa(weights: Weights) -> Vector:
    """Write what Vespa takes for a `tensor<float>(term{})`: the short form of one mapped dimension."""
    return Cells(cells=weights.terms())


#: From a form's name to what writes it.
FORMATS: Mapping[Format, Callable[[Weights], Vector]] = {
    "terms": _terms,
    "indices": _indexed,
    "qdrant": _indexed,
    "pinecone": _indexed,
    "milvus": _milvus,
    "vespa": _vespa,
}
