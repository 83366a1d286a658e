"""Queries and documents, stored prompts, and low-rank adapters: what may differ between prompts of one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.errors import CenoteError, InvalidRequest
from cenote.inputs import parse_prompts
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close
from cenote.testing.conformance.base import CUT, AdapterBase, encode, numbers
from cenote.types import PoolingParams, Role, TokenizationOptions

__all__ = ["LoraTests", "RoleTests"]


class RoleTests(AdapterBase):
    """What a text is for, and what is put in front of it."""

    @needs("roles")
    def test_queries_and_documents_are_read_differently(self, model: LLM, prompts: list[Any]) -> None:
        task = self.tasks[0]
        query, document = (encode(model, prompts[:1], task, role=role)[0] for role in ("query", "document"))
        assert query.shape != document.shape or np.abs(query - document).max() > self.tolerance

    @needs("roles")
    def test_a_role_gives_the_same_alone_and_in_a_batch(self, model: LLM, prompts: list[Any]) -> None:
        for role in ("query", "document"):
            alone = [encode(model, [prompt], self.tasks[0], role=role)[0] for prompt in prompts]
            found = encode(model, prompts, self.tasks[0], role=role)
            assert_all_close(found, alone, tolerance=self.tolerance, name=role)

    @needs("roles")
    def test_queries_and_documents_share_batches(self, checkpoint: str | Path, model: LLM, prompts: list[Any]) -> None:
        roles: list[Role] = ["document" if index % 2 else "query" for index in range(len(prompts))]
        found = asyncio.run(_side_by_side(str(checkpoint), dict(self.options), prompts, roles, self.tasks[0]))
        expected = [
            encode(model, [prompt], self.tasks[0], role=role)[0] for prompt, role in zip(prompts, roles, strict=True)
        ]
        assert_all_close(found, expected, tolerance=self.tolerance, name="both roles at once")

    def test_an_unknown_role_is_refused(self, model: LLM, prompts: list[Any]) -> None:
        with pytest.raises(InvalidRequest, match="role"):
            encode(model, prompts[:1], self.tasks[0], role="neither")

    @needs("texts")
    def test_each_stored_prompt_is_taken_and_no_other(self, model: LLM, texts: list[str]) -> None:
        for name in model.prompt_names:
            assert np.isfinite(encode(model, texts[:1], self.tasks[0], prompt_name=name)[0]).all()
        with pytest.raises(InvalidRequest):
            encode(model, texts[:1], self.tasks[0], prompt_name="no such prompt")


async def _side_by_side(
    checkpoint: str, options: dict[str, Any], prompts: list[Any], roles: list[Role], task: str
) -> list[Any]:
    """Return the arrays of prompts that are asked for at once, each in a call of its own."""
    engine = AsyncLLM(checkpoint, **options)
    cut = TokenizationOptions(**CUT)
    try:
        calls = [
            engine.run(parse_prompts([prompt]), task=task, role=role, tokenization=cut)
            for prompt, role in zip(prompts, roles, strict=True)
        ]
        results = await asyncio.gather(*calls)
    finally:
        await engine.shutdown()
    return [numbers(output) for (output,) in results]


class LoraTests(AdapterBase):
    """Low-rank adapters, chosen per prompt."""

    @pytest.fixture(scope="class")
    @classmethod
    def adapted(cls, checkpoint: str | Path, lora_folder: Path) -> Iterator[LLM]:
        """The model with the adapter under the name `kit`."""
        options = {"enable_lora": True, "lora_modules": {"kit": str(lora_folder)}}
        with LLM(str(checkpoint), **{**cls.options, **options}) as model:
            yield model

    @needs("lora")
    def test_a_batch_with_and_without_an_adapter_equals_each_alone(
        self, adapted: LLM, prompts: list[Any], alone: list[Any]
    ) -> None:
        names = [None if index % 2 else "kit" for index in range(len(prompts))]
        params = [PoolingParams(lora=name) for name in names]
        outputs = adapted.encode(
            prompts,
            params,
            pooling_task=self.tasks[0],
            use_tqdm=False,
            tokenization_kwargs={"truncate_prompt_tokens": -1},
        )
        found = [output.outputs.data.to_dense().numpy() for output in outputs]
        with_adapter = [encode(adapted, [prompt], self.tasks[0], lora="kit")[0] for prompt in prompts]
        expected = [alone[i] if name is None else with_adapter[i] for i, name in enumerate(names)]
        assert_all_close(found, expected, tolerance=self.tolerance, name="mixed")
        assert np.abs(with_adapter[0] - alone[0]).max() > self.tolerance, "the adapter changes nothing"

    @needs("lora")
    def test_an_unknown_adapter_is_refused(self, adapted: LLM, prompts: list[Any]) -> None:
        with pytest.raises(CenoteError, match="nobody"):
            encode(adapted, prompts[:1], self.tasks[0], lora="nobody")
