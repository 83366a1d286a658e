"""Token pooling: a document's vectors, one per token, merged to fewer that stand for groups of similar tokens.

Source: `ColBERT.pool_embeddings_hierarchical` of PyLate 1.6, after Clavié, Chaffin and Adams 2024, "Reducing the
Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token Pooling" (arXiv:2409.14683).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["pool_tokens"]

#: How far from 1 rounding may have taken the length of a normalised vector.
_UNIT = 1e-3
#: Rows of one matrix product, and the multiplications that it may have. OpenBLAS starts no threads below (`MNK <=
#: SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD` in its interface/gemm.c). With its threads beside those of torch, a
#: forward of 1.9 ms took 15 to 110 ms on two cores.
_ROWS = 32
_SERIAL = 65_536 * 4
#: Vectors beyond which scipy would keep the other threads of the process waiting for more than 10 ms.
_LONG = 1024


def pool_tokens(
    vectors: Numbers, pool_factor: int, protected: int = 1, *, check: Callable[[], object] = lambda: None
) -> tuple[Numbers, list[list[int]]]:
    """Merge a document's vectors to about one in `pool_factor`, by Ward's clustering of their cosine distances.

    The vectors are means of their clusters and not normalised again, in the order of the clusters' numbers in scipy,
    behind the protected ones. Like PyLate's for normalised vectors. For others, PyLate takes the dot products for
    cosines, whose distances have no meaning and may become NaN; here they are cosines. Distances that rounding took
    below zero, as between equal vectors, count as zero.

    Time and memory grow with the square of the number of vectors, as their distances are held in float64. Measured with
    128 components on one core: 1.1 ms for 180 vectors, 16 ms and 9 MB for 1024, 2.5 s and 260 MB for 8192. It starts no
    threads, and others never wait for it longer than some milliseconds.

    Args:
        vectors: [n, d] float32, finite.
        pool_factor: from 1 up; there are `max((n - protected) // pool_factor, 1)` clusters, or fewer where scipy finds
            no more.
        protected: so many vectors in front stay as they are.
        check: called every few milliseconds of a long document; what it raises ends the work.

    Returns:
        [m, d] float32, and for each of these vectors the rows that were averaged, ascending. Where nothing is to be
        merged, the vectors as they are.
    """
    import numpy as np

    count = len(vectors) - protected
    clusters = max(count // pool_factor, 1)
    if clusters >= count:
        return vectors, [[row] for row in range(len(vectors))]
    rows = vectors[protected:]
    labels = _labels(rows, clusters, check)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=0))
    sizes = np.diff(starts, append=count)
    means = np.add.reduceat(rows[order], starts, axis=0) / sizes[:, None].astype(np.float32)
    groups = [(group + protected).tolist() for group in np.split(order, starts[1:])]
    return np.concatenate([vectors[:protected], means]), [*([row] for row in range(protected)), *groups]


def _labels(rows: Numbers, clusters: int, check: Callable[[], object]) -> Numbers:
    """Return the number of each row's cluster [n], from 1."""
    from scipy.cluster.hierarchy import fcluster, linkage

    from cenote.outputs.ward import ward_linkage

    distances, count = _distances(rows, check), len(rows)
    merges = linkage(distances, method="ward") if count <= _LONG else ward_linkage(distances, count, check)
    labels: Numbers = fcluster(merges, t=clusters, criterion="maxclust")
    return labels


def _distances(rows: Numbers, check: Callable[[], object] = lambda: None) -> Numbers:
    """Return 1 - cos of all pairs of rows [n (n - 1) / 2], float64, row by row, as scipy wants them."""
    import numpy as np

    rows = _unit(rows)
    count, width = rows.shape
    columns = max(_SERIAL // (_ROWS * width), 1)
    distances = np.empty(count * (count - 1) // 2)
    end = 0
    for top in range(0, count, _ROWS):
        check()
        block = rows[top : top + _ROWS]
        cosines = np.concatenate([block @ rows[left : left + columns].T for left in range(top, count, columns)], axis=1)
        for place in range(len(block)):
            start, end = end, end + count - top - place - 1
            distances[start:end] = np.maximum(1 - cosines[place, place + 1 :], 0)
    return distances


def _unit(rows: Numbers) -> Numbers:
    """Return rows of length 1, or of length 0 as they are; those that are normalised already stay bit for bit."""
    import numpy as np

    lengths = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    if (abs(lengths - 1) <= _UNIT).all():
        return rows
    scaled: Numbers = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled
