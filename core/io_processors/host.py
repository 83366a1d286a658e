"""What the engine tells of a model beyond the stable context; for adapters of other interfaces only."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cenote.errors import UnsupportedTask
from cenote.io_processors.context import ProcessorContext

__all__ = ["HostContext", "unique_id"]


def unique_id(request_id: str) -> str:
    """Return an id for the hooks of one request: several clients may send the same one, or none."""
    return f"{request_id or 'pooling'}-{uuid.uuid4().hex}"


def _no_tokenizer() -> Any:
    raise UnsupportedTask("This model has no tokenizer of transformers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContext(ProcessorContext):
    """The context as the engine makes it.

    Attributes:
        config: the model's config.json, with overrides and repairs.
        tokenizer: returns transformers' tokenizer. Raises UnsupportedTask where the model has none.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Callable[[], Any] = _no_tokenizer
