"""Token pooling, against PyLate's own numbers (scripts/pool_golden.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote.outputs import token_pooling
from cenote.outputs.token_pooling import pool_tokens
from cenote.outputs.ward import ward_linkage

_GOLDEN = json.loads((Path(__file__).parent / "token_pooling.json").read_text())
_CASES = [
    pytest.param(case["vectors"], int(factor), pooled, id=f"{len(case['vectors'])}x{case['copies']}-by-{factor}")
    for case in _GOLDEN["cases"]
    for factor, pooled in case["pooled"].items()
]


def _random(count: int, width: int = 16, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize(("given", "factor", "wanted"), _CASES)
def test_pooled_vectors_and_their_order_are_those_of_pylate(
    given: list[list[float]], factor: int, wanted: list[list[float]]
) -> None:
    rows = np.array(given, np.float32)
    pooled, groups = pool_tokens(rows, factor)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, wanted, atol=2e-6)
    np.testing.assert_allclose(pooled, [rows[group].mean(axis=0) for group in groups], atol=1e-6)
    assert sorted(row for group in groups for row in group) == list(range(len(rows)))
    assert all(group == sorted(group) for group in groups)


@pytest.mark.parametrize("protected", [0, 1, 3])
def test_protected_vectors_stay_as_they_are(protected: int) -> None:
    rows = _random(12)
    pooled, groups = pool_tokens(rows, 4, protected)
    assert groups[:protected] == [[row] for row in range(protected)]
    assert (pooled[:protected] == rows[:protected]).all()
    assert len(pooled) == len(groups) == protected + (12 - protected) // 4


def test_a_large_factor_leaves_the_protected_vector_and_one_mean() -> None:
    rows = _random(5)
    pooled, groups = pool_tokens(rows, 10**9)
    assert groups == [[0], [1, 2, 3, 4]]
    np.testing.assert_allclose(pooled[1], rows[1:].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_vectors_stay_as_they_are(count: int) -> None:
    rows = _random(count)
    pooled, groups = pool_tokens(rows, 3)
    assert pooled is rows
    assert groups == [[row] for row in range(count)]


def test_equal_vectors_are_merged_though_rounding_takes_their_distance_below_zero() -> None:
    rows = np.tile(_random(60, 384), (3, 1))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pooled, groups = pool_tokens(rows, 3, protected=0)
    assert np.isfinite(pooled).all()
    assert sorted(groups) == [[row, row + 60, row + 120] for row in range(60)]


def test_the_clusters_of_vectors_of_any_length_are_those_of_their_directions() -> None:
    rows = _random(60)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pooled, groups = pool_tokens(rows * 30, 4)
    assert groups == pool_tokens(unit, 4)[1]
    np.testing.assert_allclose(pooled, [(rows * 30)[group].mean(axis=0) for group in groups], rtol=1e-5, atol=1e-5)


def test_vectors_of_length_zero_are_no_trouble() -> None:
    rows = _random(9)
    rows[3:6] = 0
    pooled, groups = pool_tokens(rows, 2)
    assert np.isfinite(pooled).all()
    assert len(pooled) == len(groups) > 1


def test_distances_in_blocks_are_those_of_one_product() -> None:
    rows = _random(150, 128)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = (1 - unit @ unit.T)[np.triu_indices(150, k=1)]
    np.testing.assert_allclose(token_pooling._distances(unit), wanted, atol=1e-6)


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 17, 150])
def test_long_documents_are_clustered_as_scipy_does(count: int, copies: int) -> None:
    from scipy.cluster.hierarchy import linkage

    rows = np.tile(_random(-(-count // copies), seed=count), (copies, 1))[:count]
    distances = token_pooling._distances(rows)
    wanted = linkage(distances, method="ward")
    found = ward_linkage(distances, count)
    np.testing.assert_array_equal(found[:, [0, 1, 3]], wanted[:, [0, 1, 3]])
    np.testing.assert_allclose(found[:, 2], wanted[:, 2], rtol=1e-12)


@pytest.mark.parametrize(("given", "factor", "wanted"), [case for case in _CASES if len(case.values[0]) == 180])  # type: ignore[arg-type]
def test_long_documents_are_pooled_as_pylate_does(
    given: list[list[float]], factor: int, wanted: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_pooling, "_LONG", 1)
    np.testing.assert_allclose(pool_tokens(np.array(given, np.float32), factor)[0], wanted, atol=2e-6)


def test_long_documents_are_not_given_to_scipy_which_holds_the_lock_of_the_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from scipy.cluster import hierarchy

    counts: list[int] = []
    linkage = hierarchy.linkage

    def observed(distances: np.ndarray[Any, Any], method: str) -> np.ndarray[Any, Any]:
        counts.append(len(distances))
        merges: np.ndarray[Any, Any] = linkage(distances, method=method)
        return merges

    monkeypatch.setattr(hierarchy, "linkage", observed)
    for count in (1024, 1025):
        pool_tokens(_random(count, 4), 8, protected=0)
    assert counts == [1024 * 1023 // 2]


def test_of_clusters_equally_near_the_one_before_in_the_chain_is_taken() -> None:
    from scipy.cluster.hierarchy import linkage

    # The chain is 0, 3, 1. Both 2 and 3 are at a distance of 1 from there, and 3 is where it came from.
    distances = np.array([3, 3, 2, 1, 1, 3], np.float64)
    wanted = linkage(distances, method="ward")
    assert wanted[0, :2].tolist() == [1, 3]
    np.testing.assert_allclose(ward_linkage(distances.copy(), 4), wanted, rtol=1e-12)


def test_what_is_checked_in_the_midst_of_a_long_document_ends_the_work() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 100:  # the distances are there after 35
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pool_tokens(_random(1100, 4), 4, check=check)
    assert calls == 101
