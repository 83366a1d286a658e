"""Results do not depend on the company, whatever the task."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cenote.engine import LLM, AsyncLLM
from cenote.inputs import parse_prompts
from cenote.tasks import get_task
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import CUT, AdapterBase, Alone, encode, run
from cenote.types import TokenizationOptions

__all__ = ["BatchTests"]


class BatchTests(AdapterBase):
    """One prompt gets the same alone, in a batch, in any order, from any thread and for several tasks at once."""

    def test_a_batch_equals_each_text_alone(self, model: LLM, prompts: list[Any], each_alone: Alone, task: str) -> None:
        assert_all_close(encode(model, prompts, task), each_alone(task), tolerance=self.tolerance, name="batched")

    def test_the_order_of_texts_does_not_matter(
        self, model: LLM, prompts: list[Any], each_alone: Alone, task: str
    ) -> None:
        found = encode(model, prompts[::-1], task)[::-1]
        assert_all_close(found, each_alone(task), tolerance=self.tolerance, name="reversed")

    def test_neighbours_do_not_matter(self, model: LLM, prompts: list[Any], alone: list[Any]) -> None:
        for index, prompt in enumerate(prompts):
            company = [prompts[index - 1], prompt, prompts[index - 2], prompt, *prompts[:3]]
            found = encode(model, company, self.tasks[0])
            assert_close(found[1], alone[index], tolerance=self.tolerance, name=f"prompt {index} in the middle")
            assert_close(found[3], alone[index], tolerance=self.tolerance, name=f"prompt {index} repeated")

    def test_threads_get_what_one_caller_gets(self, model: LLM, prompts: list[Any], alone: list[Any]) -> None:
        def work(shift: int) -> list[Any]:
            found = encode(model, prompts[shift:] + prompts[:shift], self.tasks[0])
            return found[len(prompts) - shift :] + found[: len(prompts) - shift]

        with ThreadPoolExecutor(4) as pool:
            for shift, found in enumerate(pool.map(work, range(4))):
                assert_all_close(found, alone, tolerance=self.tolerance, name=f"thread {shift}")

    @needs("several tasks")
    def test_several_tasks_in_one_pass_equal_each_alone(
        self, checkpoint: str | Path, prompts: list[Any], each_alone: Alone
    ) -> None:
        found = asyncio.run(_all_at_once(str(checkpoint), dict(self.options), prompts, self.own_tasks()))
        for task, arrays in found.items():
            assert_all_close(arrays, each_alone(task), tolerance=self.tolerance, name=f"{task} with the others")

    def test_results_are_finite_float32_of_the_declared_form(self, model: LLM, prompts: list[Any], task: str) -> None:
        limits = model.limits
        columns = {"embed": limits.embedding_size, "classify": limits.num_labels}
        if limits.token_pooling == "ALL":
            columns["token_classify"] = limits.num_labels
        grain = get_task(task, model.supported_tasks).grain
        outputs = run(model, prompts, task)
        if task == "sparse_embed":  # one weight for each term, so that all rows have one size
            columns[task] = len(outputs[0].outputs.data)
        for output in outputs:
            data = output.outputs.data
            assert output.error is None
            assert str(data.dtype) == "torch.float32"
            assert data.device.type == "cpu"
            assert bool(data.to_dense().isfinite().all())
            if task == "token_classify" and not limits.num_labels:  # a weight for each token of the text itself
                assert data.ndim == 1
                assert len(data) <= len(output.prompt_token_ids)
                continue
            assert data.ndim == (1 if grain == "sequence" else 2)
            assert data.shape[-1] == columns.get(task, data.shape[-1])
            if grain == "token" and limits.token_pooling == "ALL":
                tokens = range(len(output.prompt_token_ids))
                places = list(tokens) if output.outputs.positions is None else output.outputs.positions
                assert len(data) == len(places)
                assert places == sorted(set(places).intersection(tokens)), "vectors belong to tokens, in order"


async def _all_at_once(
    checkpoint: str, options: dict[str, Any], prompts: list[Any], tasks: tuple[str, ...]
) -> dict[str, list[Any]]:
    """Return the arrays of all tasks of one pass, by task."""
    engine = AsyncLLM(checkpoint, **options)
    try:
        outputs = await engine.run(
            parse_prompts(prompts), task=tasks[0], also=tasks[1:], tokenization=TokenizationOptions(**CUT)
        )
    finally:
        await engine.shutdown()
    return {task: [output.outputs.by_task[task].to_dense().numpy() for output in outputs] for task in tasks}
