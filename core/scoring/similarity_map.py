"""Where on a page the words of a query find what they look for.

Importing this module loads neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest, WrongType

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["contribution_map", "similarity_map"]


def similarity_map(query_vectors: Any, page_vectors: Any, positions: Sequence[Any], *, grid: int = 0) -> Any:
    """Return how similar each vector of a query is to each patch of a page.

    The vectors of the page that belong to no patch, those of the text around the image, are left out.

    Args:
        query_vectors: [q, dim] of numpy or torch, from `token_embed` with the role `query`.
        page_vectors: [n, dim], from `token_embed` of the image.
        positions: n entries, the `positions` of that result: `[row, column]` for a patch, `[grid, row, column]` where
            the prompt had several images or frames, a number for a token of text.
        grid: which of several images or frames, from 0.

    Returns:
        [q, rows, columns] float32 dot products: cosines, where vectors have length 1. numpy where the query is
        numpy, else torch.

    Raises:
        WrongType: something is no array of numbers.
        InvalidRequest: shapes do not fit, or the patches do not fill a rectangle: there are none, or they were merged
            (`pool_factor`).

    Source: Faysse et al. 2024, ColPali (arXiv:2407.01449), on interpretability: patches similar to a
    term of the query.
    """
    query, page = _two_sides(query_vectors, page_vectors, positions)
    places, rows, columns = _patches(positions, grid)
    return _like((query @ page[places].T).reshape(len(query), rows, columns), query_vectors)


def contribution_map(query_vectors: Any, page_vectors: Any, positions: Sequence[Any], *, grid: int = 0) -> Any:
    """Return what each patch of a page adds to the score of MaxSim, for each vector of a query.

    A query vector counts once: with its largest similarity, at the vector of the page that has it, the first one among
    equals. Where that vector is a patch, its place in the map holds the similarity; all else is 0. So the sum of the
    map is the score, but for what the text around the image (and other images of the prompt) adds.

    Args:
        query_vectors: as for `similarity_map`.
        page_vectors: as for `similarity_map`.
        positions: as for `similarity_map`.
        grid: as for `similarity_map`.

    Returns:
        [q, rows, columns] float32, of the query's kind.

    Raises:
        WrongType: as `similarity_map`.
        InvalidRequest: as `similarity_map`.
    """
    import torch

    query, page = _two_sides(query_vectors, page_vectors, positions)
    places, rows, columns = _patches(positions, grid)
    best, where = (query @ page.T).max(dim=1)
    shares = torch.zeros(len(query), len(page), device=query.device)
    shares[torch.arange(len(query)), where] = best
    return _like(shares[:, places].reshape(len(query), rows, columns), query_vectors)


def _two_sides(query: Any, page: Any, positions: Sequence[Any]) -> tuple[Tensor, Tensor]:
    from cenote.kernels.forks import spare_forked_threads
    from cenote.scoring.arrays import as_tensor

    spare_forked_threads()
    sides = as_tensor(query, "query_vectors"), as_tensor(page, "page_vectors")
    for name, side in zip(("query_vectors", "page_vectors"), sides, strict=True):
        if side.ndim != 2 or not len(side):
            text = f"{name} has the shape {list(side.shape)}; [vectors, components] with at least one is needed."
            raise InvalidRequest(text, param=name)
    if sides[0].shape[1] != sides[1].shape[1]:
        text = f"The query's vectors have {sides[0].shape[1]} components, the page's {sides[1].shape[1]}."
        raise InvalidRequest(f"{text} Both must come from the same model.", param="page_vectors")
    if len(positions) != len(sides[1]):
        text = f"There are {len(positions)} positions for the page's {len(sides[1])} vectors; give one for each."
        raise InvalidRequest(text, param="positions")
    return sides[0].float(), sides[1].float()


def _patches(positions: Sequence[Any], grid: int) -> tuple[list[int], int, int]:
    """Return which vectors are patches, row by row, and the rectangle that they fill.

    Raises:
        WrongType: an entry is no position.
        InvalidRequest: the patches of the grid do not fill a rectangle.
    """
    found: dict[tuple[int, int], int] = {}
    total = 0
    for place, entry in enumerate(positions):
        if isinstance(entry, int):
            continue
        which, row, column = _cell(entry, place)
        if which == grid:
            total += 1
            found[row, column] = place
    if not found:
        text = f"positions name no patch of image {grid}: the vectors are those of a text, or of fewer images."
        raise InvalidRequest(text, param="positions")
    rows, columns = (1 + max(cell[axis] for cell in found) for axis in (0, 1))
    if total != len(found) or total != rows * columns:
        text = f"{total} patches do not fill {rows} rows of {columns}: each must have one vector, which is not so where"
        raise InvalidRequest(f"{text} pool_factor has merged them.", param="positions")
    return [found[row, column] for row in range(rows) for column in range(columns)], rows, columns


def _cell(entry: Any, place: int) -> tuple[int, int, int]:
    numbers = list(entry) if isinstance(entry, Sequence) and not isinstance(entry, str) else []
    if len(numbers) not in (2, 3) or not all(isinstance(each, int) and each >= 0 for each in numbers):
        text = f"positions[{place}] must be a number, [row, column] or [grid, row, column], not {entry!r:.80}."
        raise WrongType(f"{text} Vectors that pool_factor merged have no single place.", param="positions")
    which, row, column = [0, *numbers][-3:]
    return which, row, column


def _like(found: Tensor, given: Any) -> Any:
    import torch

    return found if isinstance(given, torch.Tensor) else found.numpy()
