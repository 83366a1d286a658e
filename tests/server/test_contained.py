"""Whatever code of a plugin raises costs one request, which gets the envelope, and never the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from cenote.registry import default_registry


class Stop(BaseException):
    """Something that no `except Exception` catches."""


RAISED: dict[str, type[BaseException]] = {
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "base": Stop,
    "cancel": asyncio.CancelledError,
    "value": ValueError,
}


def _routes(context: Any) -> APIRouter:
    router = APIRouter(prefix="/rude")

    @router.get("/{how}")
    async def rude(how: str) -> Any:
        raise RAISED[how]("/srv/secret")

    @router.get("/thread/{how}")
    def thread(how: str) -> Any:
        raise RAISED[how]("/srv/secret")

    return router


class _Codec:
    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def encode(self, rows: Any, param: str) -> Any:
        raise self._error("/srv/secret")


@pytest.fixture
def offers() -> Iterator[None]:
    """Routes and codecs that raise."""
    with ExitStack() as stack:
        offer: Callable[..., Any] = default_registry().register
        stack.callback(offer("cenote.routes", "rude", _routes, distribution="acme", version="1.2"))
        for name, error in RAISED.items():
            codec = _Codec(error)
            stack.callback(offer("cenote.output_codecs", f"rude-{name}", codec, distribution="acme", version="1.2"))
        yield


def _check(answer: httpx.Response, text: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (500, 500, "InternalServerError")
    assert text in error["message"]
    assert "secret" not in answer.text


def test_nothing_that_routes_and_codecs_raise_ends_the_server(offers: None, start_server: Any) -> None:
    with (
        start_server(routes=["rude"]) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        for name, error in RAISED.items():
            _check(client.get(f"/rude/{name}"), "Its log has the reason")
            _check(client.get(f"/rude/thread/{name}"), "Its log has the reason")
            answer = client.post("/v1/embeddings", json={"input": "a", "output_dtype": f"rude-{name}"})
            _check(answer, f"The output codec 'rude-{name}' of acme 1.2 failed ({error.__name__}).")
            assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("input_", "on_error"), [("a", "raise"), (["a", "b"], "item")])
def test_a_kernel_that_exits_is_named_to_clients(
    input_: Any, on_error: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(rows: Any) -> Any:
        raise SystemExit(3)

    undo = default_registry().register("cenote.kernels", "l2_normalize:bad", leave, distribution="acme", version="1.2")
    try:
        monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:bad")
        answer = client.post("/v1/embeddings", json={"input": input_, "on_error": on_error})
    finally:
        undo()
        monkeypatch.undo()
    assert "The kernel 'l2_normalize:bad' of acme 1.2 failed (SystemExit)." in answer.text
    assert client.post("/v1/embeddings", json={"input": input_}).status_code == 200
