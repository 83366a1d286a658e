"""Work for a request ends with its deadline, whether or not it lets itself be cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cenote.server.api_error import ApiError
from cenote.server.guard import run_guarded


async def _listens() -> Any:
    await asyncio.Event().wait()


def test_work_that_does_not_let_itself_be_cancelled_is_left_alone(start_server: Any) -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                ended.append("ignored")

    async def main(state: Any) -> None:
        with pytest.raises(ApiError) as caught:
            await run_guarded(stubborn(), _listens, state)
        assert caught.value.status_code == 504
        assert ended == ["ignored"]

    with start_server(request_timeout=0.05) as running:
        asyncio.run(main(running.state))


def test_work_that_exits_costs_its_request_alone(start_server: Any) -> None:
    async def leaving() -> None:
        raise SystemExit(3)

    async def main(state: Any) -> None:
        with pytest.raises(RuntimeError, match="a request raised SystemExit"):
            await run_guarded(leaving(), _listens, state)

    with start_server() as running:
        asyncio.run(main(running.state))
