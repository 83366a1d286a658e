"""What the code of a model or its pooler does wrong costs the requests of its batch, and names the plugin."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from cenote.config import EngineConfig
from cenote.engine import LLM
from cenote.engine.loader import LoadedModel
from cenote.registry import ArchitectureSpec, ResolvedAdapter
from cenote.threads import DaemonThreads


def _llm(model: Any, distribution: str = "") -> LLM:
    spec = ArchitectureSpec(name="acme-model", architectures=("AcmeModel",), adapter="acme:Adapter", tasks=("embed",))
    adapter = ResolvedAdapter(spec, "AcmeModel", distribution, "1.2", "pooling", "none", "why")

    def load(config: EngineConfig) -> LoadedModel:
        return LoadedModel("plain", model, adapter if distribution else None, "cpu")  # type: ignore[arg-type]

    return LLM("plain", loader=load)


def _messages(llm: LLM, prompts: list[list[int]]) -> list[str]:
    with llm:
        found = llm.encode(prompts, pooling_task="embed", use_tqdm=False)
    return [item.error.message if item.error else "" for item in found]


@pytest.mark.parametrize(
    ("distribution", "text"),
    [
        ("", "The model failed (RuntimeError)."),
        ("cenote", "The model failed (RuntimeError)."),
        ("acme", "The adapter 'acme-model' of acme 1.2 failed (SystemExit)."),
    ],
)
def test_a_model_that_exits_costs_its_prompt_alone(distribution: str, text: str, plain: ModuleType, model: Any) -> None:
    forward = model.forward

    def leave(batch: Any) -> Any:
        return sys.exit(3) if plain.CRASH in batch.input_ids.tolist() else forward(batch)

    model.forward = leave
    assert _messages(_llm(model, distribution), [[1], [plain.CRASH], [2]]) == ["", text, ""]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        (lambda count: [{"embed": torch.ones(2)}], "The pooler returned 1 results for 3 prompts."),
        (lambda count: [{"other": torch.ones(2)}] * count, "The pooler returned NoneType for the task 'embed'"),
        (lambda count: [{"embed": torch.ones(2).int()}] * count, "The pooler returned torch.int32 for the task"),
    ],
)
def test_results_that_do_not_fit_are_errors_of_all(results: Any, text: str, model: Any) -> None:
    tasks = model.pooler.supported_tasks

    class Pooler:
        supported_tasks = staticmethod(tasks)

        def __call__(self, hidden: Any, batch: Any) -> Any:
            return results(len(batch.rows))

    model.pooler = Pooler()
    found = _messages(_llm(model, "acme"), [[1], [2], [3]])
    assert len(set(found)) == 1
    assert "The adapter 'acme-model' of acme 1.2 " in found[0]
    assert text.rstrip(".") in found[0]
    assert len(model.batches) == 1


def test_an_exit_in_a_thread_is_an_error_that_a_future_can_carry() -> None:
    threads = DaemonThreads(1, "test")
    error = threads.submit(sys.exit, 3).exception(30)
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, SystemExit)
    threads.shutdown(RuntimeError)
