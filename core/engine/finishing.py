"""What is done to results behind the computing thread: a document's vectors of tokens, merged to fewer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import accumulate, chain, pairwise

import torch
from torch import Tensor

from cenote.engine.request import EngineRequest
from cenote.engine.worker import Outcome, settle
from cenote.errors import EngineClosed
from cenote.outputs.positions import Places, on_grids
from cenote.outputs.token_pooling import pool_tokens
from cenote.poolers import POSITIONS
from cenote.tasks import FORMS
from cenote.threads import DaemonThreads
from cenote.types import PatchGrid

__all__ = ["Finisher", "by_task", "places", "pooled"]

#: Under this name a result says how many tokens each of its merged vectors stands for.
GROUP_SIZES = "group_sizes"
_MULTI = FORMS["multi"]
#: Documents that are merged at once; one of 8192 vectors takes 260 MB meanwhile.
_THREADS = 2


class Finisher:
    """Settles requests; those with vectors to merge in threads of its own.

    Merging takes long, and neither the model nor the tokenisation of other requests waits for it.

    Args:
        changed: guards the number of open ones, and hears when it falls.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._threads = DaemonThreads(_THREADS, "cenote-merge")
        self._changed = changed
        self._open = 0

    def __len__(self) -> int:
        return self._open

    def expect(self, batch: Sequence[EngineRequest], outcomes: Sequence[Outcome]) -> None:
        """Count what `settle` will begin for a batch; the lock is held."""
        self._open += sum(map(_is_merged, batch, outcomes))

    def settle(self, request: EngineRequest, outcome: Outcome) -> None:
        """Give a request its result or error, now or later."""
        if isinstance(outcome, Exception) or not _is_merged(request, outcome):
            settle(request, outcome)
        else:
            self._threads.submit(_merged, request, outcome).add_done_callback(partial(self._end, request))

    def shutdown(self) -> None:
        """Fail what has not begun with `EngineClosed`; the threads end."""
        self._threads.shutdown(lambda: EngineClosed("The engine was shut down before this request ended."))

    def _end(self, request: EngineRequest, done: Future[dict[str, Tensor]]) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
        error = done.exception()
        settle(request, error if isinstance(error, Exception) else done.result())


def _is_merged(request: EngineRequest, outcome: Outcome) -> bool:
    """Tell whether vectors of tokens are to be merged: never those of a query."""
    options = request.options
    asked = (options.params.pool_factor or 1) > 1 and options.role != "query"
    return asked and not isinstance(outcome, Exception) and _MULTI in (options.task, *options.also)


def _merged(request: EngineRequest, result: dict[str, Tensor]) -> dict[str, Tensor]:
    def check() -> None:
        if request.is_dropped:
            raise EngineClosed("The request was cancelled.")

    return pooled(result, request.options.params.pool_factor or 1, check)


def pooled(result: Mapping[str, Tensor], factor: int, check: Callable[[], object] = lambda: None) -> dict[str, Tensor]:
    """Return a result whose vectors of tokens are merged to about one in `factor`.

    By numpy alone: torch would start a team of OpenMP threads in this thread, too.

    Args:
        result: of a document.
        factor: as `pool_tokens` takes it.
        check: called now and then; what it raises ends the work.
    """
    check()
    vectors, groups = pool_tokens(result[_MULTI].float().numpy(), factor, check=check)
    merged = {**result, _MULTI: torch.from_numpy(vectors)}
    if POSITIONS in result:
        given: list[int] = result[POSITIONS].tolist()
        merged[POSITIONS] = torch.tensor([given[row] for row in chain.from_iterable(groups)], dtype=torch.int64)
        merged[GROUP_SIZES] = torch.tensor([len(group) for group in groups], dtype=torch.int64)
    return merged


def by_task(result: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tasks' results of a prompt."""
    return {name: value for name, value in result.items() if name not in (POSITIONS, GROUP_SIZES)}


def places(result: Mapping[str, Tensor], grids: Sequence[PatchGrid]) -> Places | None:
    """Return the place of the token of each vector, or of merged ones the places; None where the model says nothing.

    Args:
        result: of one prompt.
        grids: which of its tokens are patches.
    """
    if POSITIONS not in result:
        return None
    found: list[int] = result[POSITIONS].tolist()
    if GROUP_SIZES not in result:
        return on_grids(found, grids)
    borders = accumulate(result[GROUP_SIZES].tolist(), initial=0)
    return on_grids([found[start:end] for start, end in pairwise(borders)], grids)
