"""Late interaction: a vector per token on both sides, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.kernels import kernel_for
from cenote.kernels.maxsim import reference
from cenote.scoring.base import TOKEN_SIMILARITIES, Pair
from cenote.scoring.two_sided import TwoSided
from cenote.scoring.vector_blocks import vector_blocks

__all__ = ["COLBERT", "COLBERT_MEAN", "LateInteraction"]

#: Names for a model's one vector per text, which say nothing of its vectors per token: these are summed. colbert-ai
#: says cosine, too.
_OF_TEXTS = ("cosine", "dot", "euclidean", "manhattan")


class LateInteraction(TwoSided):
    """MaxSim: for each vector of the query the best vector of the document, summed or averaged.

    Best is the largest dot product, or for `l2` the smallest squared distance, whose negative counts.

    Source: Khattab and Zaharia 2020, ColBERT, equation 3 (arXiv:2004.12832); `ColBERT.score` of colbert-ai 0.2.22 for
    `l2`; the mean is `meanmaxsim` of sentence-transformers 6.2.
    """

    task = "token_embed"
    by_role = True

    def __init__(
        self, reduce: Literal["sum", "mean"] = "sum", *, distance: bool = False, is_fused: bool = True
    ) -> None:
        """Say how scores are computed.

        Args:
            reduce: what becomes of the best of each query vector.
            distance: distances take the place of products.
            is_fused: by the kernel of the device; else by the reference kernel.
        """
        self._mean = reduce == "mean"
        self._distance = distance
        self._is_fused = is_fused

    def by_similarity(self, name: str) -> LateInteraction:
        """Return the way of scoring of a model whose files name a similarity.

        Raises:
            UnsupportedTask: the name is unknown.
        """
        if name not in (*TOKEN_SIMILARITIES, *_OF_TEXTS):
            raise UnsupportedTask(
                f"The files of this model name the similarity {name!r:.80}, which vectors of tokens lack. Known: "
                "MaxSim, meanmaxsim, l2. Correct the files, or choose one of these by hf_overrides.",
                param="score_type",
            )
        mean = self._mean or name == "meanmaxsim"
        return LateInteraction("mean" if mean else "sum", distance=name == "l2", is_fused=self._is_fused)

    def unfused(self) -> LateInteraction:
        """Return the same by the reference kernel."""
        return LateInteraction("mean" if self._mean else "sum", distance=self._distance, is_fused=False)

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the score of each pair, in float32.

        Raises:
            InvalidRequest: a text has no vectors; `index` is its place among the results.
        """
        _check_vectors(results)
        by_query: dict[int, list[int]] = {}
        for place, pair in enumerate(pairs):
            by_query.setdefault(pair[0], []).append(place)
        scores = torch.empty(len(pairs))
        for query, places in by_query.items():
            documents = [results[queries + pairs[place][1]] for place in places]
            scores[places] = self._of_query(results[query].float(), documents).cpu()
        return scores

    def _of_query(self, query: Tensor, documents: Sequence[Tensor]) -> Tensor:
        kernel = kernel_for("maxsim", query) if self._is_fused else reference.maxsim
        blocks: Iterable[tuple[Tensor, list[int]]] = vector_blocks(documents)
        wanted = query
        if self._distance:
            # -|q - d|² = (2q · d - |d|²) - |q|², a product of vectors that have one component more.
            wanted = torch.cat([2 * query, query.new_full((len(query), 1), -1.0)], dim=1)
            blocks = ((_with_squares(vectors.float()), lengths) for vectors, lengths in blocks)
        scores = torch.cat([kernel(wanted, vectors, lengths=lengths) for vectors, lengths in blocks])
        if self._distance:
            scores -= query.square().sum()
        return scores / len(query) if self._mean else scores


def _with_squares(vectors: Tensor) -> Tensor:
    """Return [T, dim + 1]: vectors, and their squared length as a further component."""
    return torch.cat([vectors, vectors.square().sum(dim=1, keepdim=True)], dim=1)


def _check_vectors(results: Sequence[Tensor]) -> None:
    for place, result in enumerate(results):
        if not len(result):
            error = InvalidRequest("the text has no vectors to be compared, as every token of it is left out.")
            error.locate(place)
            raise error


COLBERT = LateInteraction()
COLBERT_MEAN = LateInteraction("mean")
