"""Scores for one HTTP request: the engine's numbers, counted, with the request's own names in errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from cenote.engine import AsyncLLM
from cenote.errors import PromptTooLong
from cenote.server import build_app
from cenote.server.inference import ScoreCall, infer_scores
from cenote.types import PoolingParams, TokenizationOptions

LONG = "word " * 400


@pytest.fixture
def app(engine: AsyncLLM) -> FastAPI:
    return build_app(engine)


async def _never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def _call(app: FastAPI, queries: Any, documents: Any, **fields: Any) -> ScoreCall:
    model = app.state.cenote.models.resolve(None)
    plain = {"params": PoolingParams(), "tokenization": TokenizationOptions(), "response_id": "score-1"}
    return ScoreCall(model=model, asked_name=None, queries=queries, documents=documents, **{**plain, **fields})


def _answer(app: FastAPI, call: ScoreCall, receive: Callable[[], Awaitable[Any]] = _never) -> Any:
    return asyncio.run(infer_scores(Request({"type": "http", "app": app}, receive), call))


def _value(app: FastAPI, name: str, **labels: str) -> float | None:
    value: float | None = app.state.cenote.metrics.registry.get_sample_value(name, labels)
    return value


def test_scores_are_the_engines(app: FastAPI, engine: AsyncLLM) -> None:
    found = _answer(app, _call(app, "a query", ["one", "two words"]))
    expected = asyncio.run(engine.score("a query", ["one", "two words"]))
    assert [item.outputs.score for item in found] == pytest.approx([item.outputs.score for item in expected], abs=1e-6)
    name = app.state.cenote.models.resolve(None).name
    assert _value(app, "cenote:pairs_total", model_name=name) == 2
    assert _value(app, "cenote:items_total", model_name=name, task="score") == 2


def test_a_text_that_fails_is_called_as_in_the_request(app: FastAPI) -> None:
    found = _answer(app, _call(app, ["a"], ["one", LONG, "three"], on_error="item"))
    assert [item.error is None for item in found] == [True, False, True]
    assert "documents[1]" in found[1].error.message
    assert "Prompt" not in found[1].error.message


def test_the_sides_may_have_other_names(app: FastAPI) -> None:
    with pytest.raises(PromptTooLong, match=r"text_2\[1\]: "):
        _answer(app, _call(app, "a", ["one", LONG], names=("text_1", "text_2")))


def test_a_query_that_fails_takes_its_pairs_along(app: FastAPI) -> None:
    found = _answer(app, _call(app, [LONG, "b"], ["one", "two"], on_error="item"))
    assert [item.error is None for item in found] == [False, True]
    assert "queries[0]" in found[0].error.message


def test_a_client_that_leaves_is_counted_as_an_abort(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    from cenote.server import guard
    from cenote.server.api_error import ClientGone

    monkeypatch.setattr(guard, "_UNWATCHED", 0.0)  # a fast machine scores one pair before anybody listens

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        _answer(app, _call(app, "a", ["b"]), gone)
    name = app.state.cenote.models.resolve(None).name
    assert _value(app, "cenote:request_success_total", model_name=name, task="score", finished_reason="abort") == 1
