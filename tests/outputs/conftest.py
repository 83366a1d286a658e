"""A codec as a third party would write it, registered in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cenote.registry import default_registry

Offer = Callable[[str, object], None]


@pytest.fixture
def offer() -> Iterator[Offer]:
    """Offer a codec under a name, until the test ends."""
    with ExitStack() as stack:

        def register(name: str, codec: Any) -> None:
            remove = default_registry().register(
                "cenote.output_codecs", name, codec, distribution="cenote-acme", version="1.2"
            )
            stack.callback(remove)

        yield register
