"""Event loops hear of settled requests: once a batch, and in time where one fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
import torch

from cenote.engine.courier import held_back, when_settled
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.types import PreparedInput


def _requests(count: int) -> list[EngineRequest]:
    return [EngineRequest(PreparedInput(token_ids=(1,)), RequestOptions(task="embed")) for _ in range(count)]


def _elsewhere(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _give(requests: list[EngineRequest]) -> None:
    for request in requests:
        request.future.set_result({"embed": torch.zeros(1)})


def test_one_wake_up_ends_all_calls_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        loop, woken = asyncio.get_running_loop(), []
        wake = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda call: (woken.append(call), wake(call)))
        calls = [_requests(2) for _ in range(5)]
        ends = [when_settled(call, until_failure=True) for call in calls]

        def settle() -> None:
            with held_back():
                for call in calls:
                    _give(call)

        _elsewhere(settle)
        await asyncio.wait_for(asyncio.gather(*ends), 30)
        return len(woken)

    assert asyncio.run(main()) == 1


def test_a_failure_ends_a_call_once_all_in_front_of_it_have_ended() -> None:
    async def main() -> None:
        requests = _requests(3)
        end = when_settled(requests, until_failure=True)
        _elsewhere(lambda: requests[1].future.set_exception(RuntimeError("broken")))
        await asyncio.sleep(0)
        assert not end.done()
        _elsewhere(lambda: _give(requests[:1]))
        await asyncio.wait_for(end, 30)
        assert not requests[2].future.done()

    asyncio.run(main())


def test_a_call_that_keeps_errors_waits_for_all() -> None:
    async def main() -> None:
        requests = _requests(2)
        end = when_settled(requests, until_failure=False)
        _elsewhere(lambda: requests[0].future.set_exception(RuntimeError("broken")))
        await asyncio.sleep(0.01)
        assert not end.done()
        _elsewhere(lambda: _give(requests[1:]))
        await asyncio.wait_for(end, 30)

    asyncio.run(main())


def test_nothing_is_waited_for_where_nothing_was_asked() -> None:
    async def main() -> None:
        await asyncio.wait_for(when_settled([], until_failure=True), 30)

    asyncio.run(main())


def test_results_for_a_loop_that_is_closed_are_dropped() -> None:
    requests = _requests(1)

    async def leave() -> None:
        when_settled(requests, until_failure=True)

    asyncio.run(leave())
    _give(requests)
