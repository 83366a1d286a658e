"""Run by test_kit.py: a comparison that fails; only a rewritten assert prints its operands."""

from cenote.testing.compare import assert_close


def test_shapes():
    assert_close([1.0], [1.0, 2.0], tolerance=1.0)
