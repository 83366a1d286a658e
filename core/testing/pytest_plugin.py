"""Make failing assertions of the conformance kit show their values, and leave out its tests that do not apply.

Loaded by pytest through its entry point, so nothing else is imported here.
"""

import pytest

pytest.register_assert_rewrite(
    "cenote.testing.adapter",
    "cenote.testing.codecs",
    "cenote.testing.compare",
    "cenote.testing.conformance",
    "cenote.testing.kernels",
    "cenote.testing.poolers",
    "cenote.testing.processors",
    "cenote.testing.scorers",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need what the class under test has not; see `cenote.testing.capabilities`."""
    left_out = [item for item in items if not _applies(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _applies(item)]


def _applies(item: pytest.Item) -> bool:
    needed = getattr(getattr(item, "function", None), "cenote_needs", ())
    return not needed or set(needed) <= item.cls.capabilities()  # type: ignore[attr-defined]
