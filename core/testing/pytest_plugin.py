"""Make failing assertions of the conformance kit show their values; loaded by pytest through its entry point."""

import pytest

pytest.register_assert_rewrite("cenote.testing.adapter", "cenote.testing.compare", "cenote.testing.kernels")
