"""Facts of checkpoints that exist only as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Facts:
    """A checkpoint described by what markers may ask of it."""

    files: set[str] = field(default_factory=set)
    config: dict[str, Any] = field(default_factory=dict)
    tensors: set[str] = field(default_factory=set)
    modules: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "someone/a-model"

    def has_file(self, name: str) -> bool:
        return name in self.files

    def config_value(self, key: str) -> Any:
        return _dotted(self.config, key)

    def settings_value(self, key: str) -> Any:
        return _dotted(self.settings, key)

    def has_tensor(self, name: str) -> bool:
        return name in self.tensors

    def module_types(self) -> tuple[str, ...]:
        return self.modules


def _dotted(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


@pytest.fixture
def make_facts() -> type[Facts]:
    """Builds checkpoint facts; without arguments there is nothing in the checkpoint."""
    return Facts
