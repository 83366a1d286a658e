"""Comparison of results: what passes, and what a failure says."""

from __future__ import annotations

import pytest
import torch

from cenote.testing.compare import assert_all_close, assert_close, largest_difference


def test_difference_is_absolute_for_small_numbers_and_relative_for_large() -> None:
    assert largest_difference([0.5], [0.25]) == 0.25
    assert largest_difference([110.0], [100.0]) == pytest.approx(0.1)


def test_empty_arrays_are_equal() -> None:
    assert_close(torch.zeros(0, 3), torch.zeros(0, 3), tolerance=0.0)


def test_a_failure_names_place_and_values() -> None:
    with pytest.raises(
        AssertionError, match=r"vector: differs by 5\.00e-01.*worst at \(1, 0\).*found 1\.5, expected 1"
    ):
        assert_close(torch.tensor([[1.0], [1.5]]), torch.tensor([[1.0], [1.0]]), tolerance=1e-3, name="vector")


def test_shapes_must_agree() -> None:
    with pytest.raises(AssertionError, match=r"shape \(2,\), expected \(2, 1\)"):
        assert_close([1.0, 2.0], [[1.0], [2.0]], tolerance=1.0)


def test_nan_never_passes() -> None:
    with pytest.raises(AssertionError, match="1 of 2 values are not finite"):
        assert_close([float("nan"), 1.0], [1.0, 1.0], tolerance=10.0)


def test_outputs_are_compared_by_name() -> None:
    assert_all_close({"a": [1.0], "b": [2.0]}, {"b": [2.0], "a": [1.0]}, tolerance=0.0)
    with pytest.raises(AssertionError, match=r"has \['a'\], expected \['b'\]"):
        assert_all_close({"a": [1.0]}, {"b": [1.0]}, tolerance=0.0)
