"""Which rows of a forward belong to which adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Group", "Routes", "row_groups"]

#: Name of an adapter, and its rows [n] int64; None where every row is its own.
Group: TypeAlias = tuple[str, Tensor | None]


@dataclass(slots=True)
class Routes:
    """What the layers of one model read while a forward runs; one forward runs at a time.

    Attributes:
        groups: the adapters in use.
        total: rows of the batch, which every layer must see where a group has some of them.
    """

    groups: Sequence[Group] = ()
    total: int = 0

    @contextmanager
    def using(self, groups: Sequence[Group], total: int = 0) -> Iterator[None]:
        """Set the routes for the forward inside."""
        self.groups, self.total = groups, total
        try:
            yield
        finally:
            self.groups, self.total = (), 0


def row_groups(loras: Sequence[str | None], lengths: Sequence[int], device: torch.device) -> list[Group]:
    """Return each adapter with its rows, for sequences of these lengths laid end to end."""
    names = sorted({name for name in loras if name is not None})
    numbers = {name: number for number, name in enumerate(names)}
    owners = torch.tensor([-1 if name is None else numbers[name] for name in loras])
    rows = torch.repeat_interleave(owners, torch.tensor(lengths))
    return [(name, (rows == number).nonzero().flatten().to(device)) for name, number in numbers.items()]
