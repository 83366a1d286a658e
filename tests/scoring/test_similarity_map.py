"""Similarity maps: known vectors, an independent computation, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cenote.errors import InvalidRequest, WrongType
from cenote.scoring import contribution_map, maxsim, similarity_map

#: A page of 2 rows and 3 columns whose patches look in the six directions of the axes, between two tokens of text.
POSITIONS = [0, [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], 7]
PAGE = np.float32([[0, 0, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1], [0.6, 0.6, 0]])
QUERY = np.float32([[0, 0, 1], [-0.5, 0.25, 0], [0.9, 0.9, 0]])


def test_each_vector_of_the_query_is_compared_with_each_patch() -> None:
    expected = [[[0, 0, 1], [0, 0, -1]], [[-0.5, 0.25, 0], [0.5, -0.25, 0]], [[0.9, 0.9, 0], [-0.9, -0.9, 0]]]
    found = similarity_map(QUERY, PAGE, POSITIONS)
    assert (type(found), found.dtype) == (np.ndarray, np.float32)
    np.testing.assert_array_equal(found, np.float32(expected))


def test_a_patch_contributes_where_it_is_the_best_of_the_whole_page() -> None:
    found = contribution_map(QUERY, PAGE, POSITIONS)
    expected = np.zeros((3, 2, 3), np.float32)
    expected[0, 0, 2] = 1
    expected[1, 1, 0] = 0.5
    np.testing.assert_array_equal(found, expected)  # the last vector's best is the text at place 7
    assert found.sum() + np.float32(0.9 * 0.6 * 2) == pytest.approx(maxsim(QUERY, [PAGE])[0])


def test_the_first_of_equals_counts_as_contribution() -> None:
    found = contribution_map(np.float32([[1.0]]), np.float32([[0.5], [0.5]]), [[0, 0], [0, 1]])
    assert found.tolist() == [[[0.5, 0.0]]]


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int8])
def test_maps_equal_an_independent_computation(kind: Any) -> None:
    rng = np.random.default_rng(0)
    rows, columns = 5, 7
    cells = [[row, column] for row in range(rows) for column in range(columns)]
    positions: list[Any] = [*cells, 0, 1, 40]
    order = rng.permutation(len(positions))  # vectors need not stand row by row
    page = (rng.standard_normal((len(positions), 16)) * 20).astype(kind)
    query = (rng.standard_normal((4, 16)) * 20).astype(kind)
    shuffled = [positions[at] for at in order]
    found = similarity_map(query, page[order], shuffled)
    shares = contribution_map(query, page[order], shuffled)
    for at, vector in enumerate(query.astype(np.float64)):
        best = max(float(vector @ row) for row in page.astype(np.float64))
        for place, (row, column) in enumerate(cells):
            similarity = float(vector @ page[place].astype(np.float64))
            assert found[at, row, column] == pytest.approx(similarity, rel=1e-4, abs=1e-2)
            expected = similarity if similarity == best else 0
            assert shares[at, row, column] == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_tensors_give_tensors() -> None:
    found = similarity_map(torch.from_numpy(QUERY), torch.from_numpy(PAGE), POSITIONS)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), similarity_map(QUERY, PAGE, POSITIONS))


def test_one_of_several_images_is_chosen_and_the_others_take_part_in_contributions() -> None:
    positions = [[0, 0, 0], [0, 0, 1], 5, [1, 0, 0]]
    page = np.float32([[1.0], [2.0], [0.5], [3.0]])
    query = np.float32([[1.0]])
    assert similarity_map(query, page, positions).tolist() == [[[1.0, 2.0]]]
    assert similarity_map(query, page, positions, grid=1).tolist() == [[[3.0]]]
    assert contribution_map(query, page, positions).tolist() == [[[0.0, 0.0]]]
    assert contribution_map(query, page, positions, grid=1).tolist() == [[[3.0]]]


@pytest.mark.parametrize(
    ("query", "page", "positions", "message"),
    [
        (QUERY, PAGE, POSITIONS[:-1], "There are 7 positions for the page's 8 vectors"),
        (QUERY, PAGE, range(8), "positions name no patch of image 0"),
        (QUERY, PAGE, [*POSITIONS[:-1], [2, 3]], "7 patches do not fill 3 rows of 4"),
        (QUERY, PAGE, [*POSITIONS[:-1], [1, 2]], "7 patches do not fill 2 rows of 3"),
        (QUERY[:, :2], PAGE, POSITIONS, "The query's vectors have 2 components, the page's 3"),
        (QUERY[:0], PAGE, POSITIONS, r"query_vectors has the shape \[0, 3\]"),
        (QUERY, PAGE[0], POSITIONS, r"page_vectors has the shape \[3\]"),
    ],
)
def test_what_does_not_fit_is_refused(query: Any, page: Any, positions: Any, message: str) -> None:
    for function in (similarity_map, contribution_map):
        with pytest.raises(InvalidRequest, match=message):
            function(query, page, positions)


@pytest.mark.parametrize("entry", ["a", [1], [0, 0, 0, 0], [0.5, 1], [-1, 0], None])
def test_what_is_no_position_is_refused(entry: Any) -> None:
    with pytest.raises(WrongType, match=r"positions\[7\] must be a number, \[row, column\]"):
        similarity_map(QUERY, PAGE, [*POSITIONS[:-1], entry])


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(WrongType, match="query_vectors must be a numpy array or a torch tensor, not list"):
        similarity_map([[1.0]], PAGE, POSITIONS)
