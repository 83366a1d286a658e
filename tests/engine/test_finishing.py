"""Vectors of tokens that are merged behind the computing thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.config import EngineConfig
from cenote.engine import ComputeLoop, Engine
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.errors import EngineClosed, InvalidRequest, WrongType
from cenote.outputs.token_pooling import pool_tokens
from cenote.poolers import EmbeddingHead, TaskPooler, TokenPooler
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PreparedInput, Prompt

TEXTS = ["A cenote is a natural pit that holds ground water.", "It is old.", "Bread, which is baked, is no pit at all."]
MERGED = RequestOptions(task="token_embed", params=PoolingParams(pool_factor=3))
PROMPT = PreparedInput(token_ids=tuple(range(1, 14)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def llm(folder: Path) -> Iterator[LLM]:
    with LLM(str(folder)) as made:
        yield made


class Stall:
    """Merging that goes on when the test says so; it begins with the first vectors."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()
        self.ended = 0

    def __call__(self, vectors: Any, factor: int, *, check: Callable[[], object]) -> Any:
        self.begun.set()
        assert self.release.wait(30)
        found = pool_tokens(vectors, factor, check=check)
        self.ended += 1
        return found


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stall]:
    made = Stall()
    monkeypatch.setattr("cenote.engine.finishing.pool_tokens", made)
    yield made
    made.release.set()


@pytest.fixture
def multi(model: Any) -> Any:
    """The plain model with a vector for each token."""
    model.pooler = TaskPooler({"token_embed": TokenPooler(EmbeddingHead(normalize=False))})
    return model


@pytest.fixture
def engine(multi: Any) -> Iterator[Engine]:
    made = Engine(multi, EngineConfig(renderer_num_workers=1), "cpu")
    loop = ComputeLoop()
    loop.join(made)
    loop.close()
    yield made
    multi.release.set()
    made.shutdown()


def _run(engine: Engine, options: RequestOptions = MERGED) -> EngineRequest:
    return engine.submit([PROMPT], options)[0]


def test_documents_are_merged_and_queries_are_not(engine: Engine) -> None:
    query = RequestOptions(task="token_embed", params=MERGED.params, role="query")
    assert _run(engine).future.result(30)["token_embed"].shape == (5, 2)
    assert _run(engine, query).future.result(30)["token_embed"].shape == (13, 2)
    assert len(engine._batches.finisher) == 0


def test_neither_the_model_nor_tokenisation_waits_for_what_is_merged(engine: Engine, stall: Stall) -> None:
    merged = [_run(engine) for _ in range(5)]  # more than there are threads
    assert stall.begun.wait(30)
    options = RequestOptions(task="token_embed")
    (prepared,) = engine.prepare([Prompt(token_ids=(1, 2))], options).result(30)
    assert prepared.token_ids == (1, 2)
    assert _run(engine, options).future.result(30)["token_embed"].shape == (13, 2)
    assert not any(request.future.done() for request in merged)
    stall.release.set()
    for request in merged:
        assert request.future.result(30)["token_embed"].shape == (5, 2)


def test_no_thread_begins_before_something_is_merged(engine: Engine) -> None:
    _run(engine, RequestOptions(task="token_embed")).future.result(30)
    assert engine._batches.finisher._threads._begun == 0
    _run(engine).future.result(30)
    assert engine._batches.finisher._threads._begun == 1


def test_a_shutdown_that_drains_waits_for_what_is_merged(engine: Engine, stall: Stall) -> None:
    merged = _run(engine)
    assert stall.begun.wait(30)
    stopping = threading.Thread(target=engine.shutdown, args=(30,))
    stopping.start()
    stall.release.set()
    assert merged.future.result(30)["token_embed"].shape == (5, 2)
    stopping.join(30)
    assert not stopping.is_alive()


def test_a_shutdown_that_does_not_drain_fails_what_is_not_merged_yet(engine: Engine, stall: Stall) -> None:
    merged, plain = [_run(engine) for _ in range(5)], _run(engine, RequestOptions(task="token_embed"))
    plain.future.result(30)
    assert stall.begun.wait(30)
    engine.shutdown()
    with pytest.raises(EngineClosed):
        merged[-1].future.result(30)


def test_nobody_merges_what_was_cancelled_meanwhile(engine: Engine, stall: Stall) -> None:
    merged, plain = [_run(engine) for _ in range(5)], _run(engine, RequestOptions(task="token_embed"))
    plain.future.result(30)
    assert stall.begun.wait(30)
    engine.cancel(merged)
    stall.release.set()
    for request in merged:
        with pytest.raises(EngineClosed, match="cancelled"):
            request.future.result(30)
    assert stall.ended == 0  # neither those that waited nor those that had begun


def test_what_ends_after_the_shutdown_fails_as_well(engine: Engine, multi: Any, plain: ModuleType) -> None:
    (blocked,) = engine.submit([PreparedInput(token_ids=(plain.BLOCK, 1, 2, 3))], MERGED)
    assert multi.entered.wait(30)
    engine.abandon()
    multi.release.set()
    with pytest.raises(EngineClosed):
        blocked.future.result(30)


def test_an_error_of_merging_is_the_error_of_its_request(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("cenote.engine.finishing.pool_tokens", fail)
    with pytest.raises(MemoryError, match="no room"):
        _run(engine).future.result(30)
    assert _run(engine, RequestOptions(task="token_embed")).future.result(30)["token_embed"].shape == (13, 2)


def test_an_error_of_the_model_stays_what_it_is(engine: Engine, plain: ModuleType) -> None:
    (crashed,) = engine.submit([PreparedInput(token_ids=(plain.CRASH, 1, 2))], MERGED)
    with pytest.raises(RuntimeError, match="crash asked for"):
        crashed.future.result(30)


@pytest.mark.parametrize("factor", [2, 3, 100])
def test_offline_results_are_merged_in_the_order_of_the_prompts(llm: LLM, factor: int) -> None:
    given = TEXTS * 3
    before = llm.encode(given, pooling_task="token_embed", use_tqdm=False)
    after = llm.encode(given, pooling_task="token_embed", pool_factor=factor, use_tqdm=False)
    for whole, merged in zip(before, after, strict=True):
        wanted, groups = pool_tokens(whole.outputs.data.numpy(), factor)
        np.testing.assert_allclose(merged.outputs.data.numpy(), wanted, atol=1e-6)
        assert merged.outputs.positions == groups
        assert whole.outputs.positions == list(range(len(whole.prompt_token_ids)))
        assert merged.prompt_token_ids == whole.prompt_token_ids


def test_forms_say_where_their_vectors_come_from(llm: LLM) -> None:
    (plain,) = llm.encode(TEXTS[0], outputs=["dense", "multi"], use_tqdm=False)
    (merged,) = llm.encode(TEXTS[0], outputs=["dense", "multi"], pool_factor=2, output_dtype="int8", use_tqdm=False)
    (dense,) = llm.encode(TEXTS[0], outputs=["dense"], use_tqdm=False)
    assert plain.outputs.multi is not None
    assert merged.outputs.multi is not None
    wanted, groups = pool_tokens(plain.outputs.multi.numpy(), 2)
    assert plain.outputs.positions == list(range(len(plain.prompt_token_ids)))
    assert merged.outputs.positions == groups
    assert merged.outputs.multi.equal(torch.from_numpy(np.rint(wanted * 127).astype(np.int8)))
    assert dense.outputs.positions is None


def test_parameters_of_a_prompt_win_over_those_of_the_call(llm: LLM) -> None:
    params = [PoolingParams(pool_factor=1), PoolingParams(), PoolingParams(pool_factor=4)]
    outputs = llm.encode(TEXTS, params, pooling_task="token_embed", pool_factor=2, use_tqdm=False)
    counts = [len(output.prompt_token_ids) - 1 for output in outputs]
    assert [len(output.outputs.data) - 1 for output in outputs] == [counts[0], counts[1] // 2, counts[2] // 4]


def test_scores_read_merged_documents_and_whole_queries(llm: LLM) -> None:
    params = PoolingParams(pool_factor=2)
    found = llm.score(TEXTS[1], TEXTS, score_type="colbert", pooling_params=params, use_tqdm=False)
    rows = [output.outputs.data for output in llm.encode(TEXTS, pooling_task="token_embed", use_tqdm=False)]
    documents = [torch.from_numpy(pool_tokens(row.numpy(), 2)[0]) for row in rows]
    wanted = [float((rows[1] @ document.T).max(dim=1).values.sum()) for document in documents]
    assert [output.outputs.score for output in found] == pytest.approx(wanted, abs=1e-4)
    ranked = llm.rerank(TEXTS[1], TEXTS, score_type="colbert", pooling_params=params, use_tqdm=False)
    assert {item.index: item.score for item in ranked} == pytest.approx(dict(enumerate(wanted)), abs=1e-4)


async def _encode(folder: Path, *arguments: Any, **options: Any) -> list[Any]:
    engine = AsyncLLM(str(folder))
    try:
        return [output async for output in engine.encode(*arguments, **options)]
    finally:
        await engine.shutdown()


def test_the_awaiting_face_merges_too(folder: Path, llm: LLM) -> None:
    import asyncio

    (found,) = asyncio.run(_encode(folder, TEXTS[0], pool_factor=2))
    (wanted,) = llm.encode(TEXTS[0], pooling_task="token_embed", pool_factor=2, use_tqdm=False)
    torch.testing.assert_close(found.outputs.data, wanted.outputs.data)
    assert found.outputs.positions == wanted.outputs.positions


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pooling_task": "embed", "pool_factor": 2}, InvalidRequest),
        ({"outputs": ["dense"], "pool_factor": 2}, InvalidRequest),
        ({"pooling_task": "token_embed", "pool_factor": 0}, InvalidRequest),
        ({"pooling_task": "token_embed", "pool_factor": 2.0}, WrongType),
    ],
)
def test_factors_that_mean_nothing_are_refused(llm: LLM, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        llm.encode(TEXTS[0], use_tqdm=False, **options)
    assert caught.value.param == "pool_factor"  # type: ignore[attr-defined]


def test_scores_of_dense_vectors_have_nothing_to_merge(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="pool_factor means nothing for task 'embed'"):
        llm.score(TEXTS[0], TEXTS, pooling_params=PoolingParams(pool_factor=2), use_tqdm=False)
