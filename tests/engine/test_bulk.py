"""Offline runs over the engine: order, first error, bounded memory, progress."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from torch import Tensor

from cenote.config import EngineConfig
from cenote.engine import Engine
from cenote.engine.bulk import BulkRun
from cenote.engine.progress import TokenProgress
from cenote.engine.request import RequestOptions
from cenote.engine.worker import Outcome
from cenote.errors import InvalidRequest
from cenote.types import PoolingParams, PreparedInput, Prompt

OPTIONS = RequestOptions(task="embed")


class Bar:
    """Remembers what a progress bar was told."""

    def __init__(self, **settings: Any) -> None:
        self.total, self.done, self.closed, self.settings = 0, 0, False, settings

    def update(self, count: int) -> None:
        self.done += count

    def refresh(self) -> None:
        assert self.done <= self.total

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine(model: Any) -> Iterator[Engine]:
    made = Engine(model, EngineConfig(max_num_batched_tokens=64), "cpu")
    yield made
    model.release.set()
    made.shutdown()


def _result(place: int, prepared: PreparedInput, outcome: Outcome) -> dict[str, Tensor]:
    assert not isinstance(outcome, Exception)
    return outcome


def _prompts(count: int) -> list[Prompt]:
    return [Prompt(token_ids=(n % 800 + 1,) * (n % 7 + 1)) for n in range(count)]


def test_five_thousand_answers_come_in_prompt_order(engine: Engine) -> None:
    prompts = _prompts(5000)
    answers = BulkRun(engine, prompts, [OPTIONS] * 5000, TokenProgress(False, 0), _result).run()
    assert [result["embed"][0].item() for result in answers] == [float(n % 800 + 1) for n in range(5000)]
    assert engine.stats().waiting == 0


def test_the_first_wrong_prompt_raises_and_the_engine_lives_on(engine: Engine) -> None:
    prompts = [*_prompts(3000), Prompt(token_ids=())]
    with pytest.raises(InvalidRequest, match="empty"):
        BulkRun(engine, prompts, [OPTIONS] * 3001, TokenProgress(False, 0), _result).run()
    assert engine.stats().waiting == 0
    assert len(BulkRun(engine, _prompts(3), [OPTIONS] * 3, TokenProgress(False, 0), _result).run()) == 3


def test_prompts_with_different_parameters_keep_theirs(engine: Engine) -> None:
    options = [RequestOptions(task="embed", params=PoolingParams(dimensions=n % 2 + 1)) for n in range(200)]
    answers = BulkRun(engine, _prompts(200), options, TokenProgress(False, 0), _result).run()
    assert [len(result["embed"]) for result in answers] == [n % 2 + 1 for n in range(200)]


def test_several_threads_may_run_at_once(engine: Engine) -> None:
    def run(first: int) -> list[float]:
        prompts = [Prompt(token_ids=(first + n,)) for n in range(100)]
        answers = BulkRun(engine, prompts, [OPTIONS] * 100, TokenProgress(False, 0), _result).run()
        return [result["embed"][0].item() for result in answers]

    with ThreadPoolExecutor(4) as pool:
        for first, values in zip((1, 200, 400, 600), pool.map(run, (1, 200, 400, 600)), strict=True):
            assert values == [float(first + n) for n in range(100)]


def test_the_waiting_queue_stays_bounded_however_long_the_list(engine: Engine) -> None:
    seen: list[int] = []

    class Watching(TokenProgress):
        def done(self, tokens: int) -> None:
            seen.append(engine.stats().waiting)

    BulkRun(engine, _prompts(6000), [OPTIONS] * 6000, Watching(False, 0), _result).run()
    assert max(seen) <= 1024 + 64


def test_progress_counts_tokens_and_ends_at_its_total(engine: Engine) -> None:
    bars: list[Bar] = []

    def build(**settings: Any) -> Bar:
        bars.append(Bar(**settings))
        return bars[0]

    prompts = _prompts(700)
    progress = TokenProgress(build, sum(len(p.token_ids or ()) for p in prompts))
    BulkRun(engine, prompts, [OPTIONS] * 700, progress, _result).run()
    assert bars[0].closed
    assert bars[0].done == bars[0].total == engine.stats().tokens
    assert bars[0].settings["unit"] == "tok"
