"""Low-rank adapters by the call: named, loaded on first use, mixed in one batch, and refused where they are unknown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cenote import LLM, AsyncLLM, LoRARequest, PoolingParams
from cenote.adapters.lora import LowRank
from cenote.engine.request import RequestOptions
from cenote.errors import CheckpointError, InvalidRequest, ModelNotFound
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora
from cenote.types import PreparedInput

TEXT = "low-rank adapters change a model a little"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def adapters(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    targets = ["query", "value"]
    return [build_lora(bert, tmp_path_factory.mktemp(name), targets=targets, name=name) for name in ("one", "two")]


def _vector(llm: LLM, **options: Any) -> np.ndarray:
    return np.array(llm.embed(TEXT, use_tqdm=False, **options)[0].outputs.embedding)


def test_a_request_with_a_folder_loads_the_adapter_on_first_use(bert: Path, adapters: list[Path]) -> None:
    with LLM(str(bert), enable_lora=True) as llm:
        base = _vector(llm)
        first = _vector(llm, lora_request=LoRARequest("one", 1, str(adapters[0])))
        assert llm.lora_names == ("one",)
        assert np.abs(first - base).max() > 1e-3
        np.testing.assert_array_equal(_vector(llm, lora="one"), first)
        np.testing.assert_array_equal(_vector(llm, pooling_params=PoolingParams(lora="one")), first)
        np.testing.assert_array_equal(_vector(llm), base)


def test_each_prompt_of_a_call_may_have_its_own(bert: Path, adapters: list[Path]) -> None:
    modules = tuple(f"{name}={folder}" for name, folder in zip(("one", "two"), adapters, strict=True))
    with LLM(str(bert), lora_modules=modules) as llm:
        alone = [_vector(llm, lora=name) for name in (None, "one", "two")]
        requests = [None, LoRARequest("one"), LoRARequest("two", 2)]
        mixed = llm.embed([TEXT] * 3, lora_request=requests, use_tqdm=False)
        for output, expected in zip(mixed, alone, strict=True):
            np.testing.assert_allclose(output.outputs.embedding, expected, atol=1e-6)
        with pytest.raises(InvalidRequest, match="3 entries for 1 prompts"):
            llm.embed(TEXT, lora_request=requests, use_tqdm=False)


def test_an_unknown_adapter_is_not_found_and_names_those_that_are_loaded(bert: Path, adapters: list[Path]) -> None:
    with LLM(str(bert), lora_modules=(f"one={adapters[0]}",)) as llm:
        with pytest.raises(ModelNotFound, match=r"no low-rank adapter 'three'. Loaded: one"):
            llm.embed(TEXT, lora="three", use_tqdm=False)
        with pytest.raises(ModelNotFound):
            llm.score(TEXT, TEXT, lora_request=LoRARequest("three"), use_tqdm=False)


def test_a_name_stands_for_one_folder_and_a_prompt_has_one_adapter(bert: Path, adapters: list[Path]) -> None:
    modules = tuple(f"{name}={folder}" for name, folder in zip(("one", "two"), adapters, strict=True))
    with LLM(str(bert), lora_modules=modules) as llm:
        _vector(llm, lora_request=LoRARequest("one", 1, str(adapters[0])))
        with pytest.raises(InvalidRequest, match="loaded from another place"):
            _vector(llm, lora_request=LoRARequest("one", 1, str(adapters[1])))
        for options in ({"lora_request": LoRARequest("one")}, {"pooling_params": PoolingParams(lora="one")}):
            with pytest.raises(InvalidRequest, match="Two low-rank adapters"):
                _vector(llm, lora="two", **options)
            with pytest.raises(InvalidRequest, match="Two low-rank adapters"):
                llm.score(TEXT, TEXT, lora="two", use_tqdm=False, **options)


def test_an_adapter_is_replaced_and_dropped_unless_it_is_a_part_of_the_model(bert: Path, adapters: list[Path]) -> None:
    with LLM(str(bert), enable_lora=True) as llm:
        base = _vector(llm)
        llm.load_lora("one", str(adapters[0]))
        first = _vector(llm, lora="one")
        with pytest.raises(InvalidRequest, match="loaded already"):
            llm.load_lora("one", str(adapters[1]))
        with pytest.raises(CheckpointError):
            llm.load_lora("one", str(bert), replace=True)
        np.testing.assert_array_equal(_vector(llm, lora="one"), first)
        llm.load_lora("one", str(adapters[1]), replace=True)
        assert np.abs(_vector(llm, lora="one") - first).max() > 1e-3
        own = {"encoder.layer.0.attention.self.query": LowRank(torch.zeros(1, 32), torch.zeros(32, 1))}
        llm._loaded.model.loras.add("own", own)  # type: ignore[attr-defined]
        for change in (lambda: llm.unload_lora("own"), lambda: llm.load_lora("own", str(adapters[0]), replace=True)):
            with pytest.raises(InvalidRequest, match="is a part of the model"):
                change()
        llm.unload_lora("one")
        assert llm.lora_names == ("own",)
        np.testing.assert_array_equal(_vector(llm), base)
        with pytest.raises(ModelNotFound):
            llm.unload_lora("one")


def test_a_higher_rank_than_the_user_allows_is_refused(bert: Path, adapters: list[Path]) -> None:
    module = f"one={adapters[0]}"
    with LLM(str(bert), lora_modules=(module,), max_lora_rank=8) as llm:
        assert llm.lora_names == ("one",)
    with pytest.raises(CheckpointError, match="has rank 8; max_lora_rank allows 4"):
        LLM(str(bert), lora_modules=(module,), max_lora_rank=4)


def test_loading_on_request_must_be_allowed(bert: Path, adapters: list[Path]) -> None:
    with LLM(str(bert)) as llm, pytest.raises(InvalidRequest, match="enable_lora=True"):
        llm.embed(TEXT, lora_request=LoRARequest("one", 1, str(adapters[0])), use_tqdm=False)


@pytest.mark.parametrize("arguments", [("", 1), ("name", 0)])
def test_a_request_without_a_usable_name_or_number_is_refused(arguments: tuple[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        LoRARequest(*arguments)


def test_the_awaiting_face_takes_the_same_requests(bert: Path, adapters: list[Path]) -> None:
    async def run() -> np.ndarray:
        engine = AsyncLLM(str(bert), enable_lora=True)
        try:
            request = LoRARequest("one", 1, str(adapters[0]))
            params = PoolingParams(task="embed")
            return np.stack([item.outputs.data async for item in engine.encode(TEXT, params, "id", request)])[0]
        finally:
            await engine.shutdown()

    found = asyncio.run(run())
    with LLM(str(bert), lora_modules=(f"one={adapters[0]}",)) as llm:
        np.testing.assert_allclose(found, _vector(llm, lora="one"), atol=1e-6)


def test_an_adapter_that_is_replaced_between_two_parts_of_a_prompt_is_not_mixed_with_the_new_one(
    bert: Path, adapters: list[Path]
) -> None:
    chunked: dict[str, Any] = {"enable_lora": True, "pooler_config": {"enable_chunked_processing": True}}
    prompt = PreparedInput(token_ids=tuple(range(5, 85)) * 20)
    wanted = RequestOptions(task="embed", params=PoolingParams(lora="one"))
    vectors = []
    for first, second in (adapters, adapters[1:] * 2):
        with LLM(str(bert), max_num_batched_tokens=1, **chunked) as llm:
            llm.load_lora("one", str(first))
            (request,) = llm.engine.submit([prompt], wanted)
            assert llm.engine.step()
            assert not request.future.done()
            llm.load_lora("one", str(second), replace=True)
            while llm.engine.step():
                pass
            vectors.append(request.future.result(timeout=0)["embed"].numpy())
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
