"""Tasks and ways of scoring of a plugin: asked for by name, offline and over HTTP, and answered by their grain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.inputs import parse_prompts
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close

#: A plugin in one module: a spec, an adapter whose pooler has three more tasks, these tasks, and a way of scoring.
PLUGIN = '''
"""Counts: how many tokens a text has, where each stands, and the last place as a sparse row."""

from cenote.registry import ArchitectureSpec
from cenote.scoring import ScoreInput
from cenote.tasks import Task

COUNT = Task(name="acme_count", grain="sequence", parameters=frozenset({"prompt"}), priority=90)
PLACES = Task(name="acme_places", grain="token", parameters=frozenset(), priority=91)
LAST = Task(name="acme_last", grain="sequence", parameters=frozenset(), priority=92)
SPEC = ArchitectureSpec(
    name="acme",
    architectures=("BertModel",),
    adapter="acme_counts:Adapter",
    tasks=("embed", "token_embed", "acme_count", "acme_places", "acme_last"),
    markers=("config:acme=true",),
)


TASKS = frozenset({"acme_count", "acme_places", "acme_last"})


class Counts:
    def supported_tasks(self):
        return TASKS

    def __call__(self, hidden, batch):
        return [{task: self.result(task, row.length) for task in row.tasks if task in TASKS} for row in batch.rows]

    def result(self, task, length):
        import torch

        if task == "acme_last":
            return torch.sparse_coo_tensor([[length - 1]], [1.0], (length,), is_coalesced=True)
        whole = torch.arange(length, dtype=torch.float32)[:, None]
        return torch.tensor([float(length)]) if task == "acme_count" else whole


class Adapter:
    @classmethod
    def load(cls, checkpoint, options):
        from cenote.adapters.embed import EmbedderAdapter
        from cenote.poolers import TaskPooler

        model, counts = EmbedderAdapter.load(checkpoint, options), Counts()
        model.pooler = TaskPooler({**model.pooler.poolers, **dict.fromkeys(TASKS, counts)})
        return model


class ByLength:
    """The more alike two texts' lengths, the better."""

    task = "acme_count"
    by_role = False

    def inputs(self, queries, documents, pairs):
        sides = [("query", each) for each in queries] + [("document", each) for each in documents]
        return [ScoreInput(prompt=prompt, task=self.task, side=side) for side, prompt in sides]

    def scores(self, results, queries, pairs):
        import torch

        return torch.stack([-(results[q] - results[queries + d]).abs()[0] for q, d in pairs])


BY_LENGTH = ByLength()
'''
TEXTS = ["How deep is the well?", "water"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint of the plugin, while it is there."""
    place = tmp_path_factory.mktemp("acme")
    (place / "acme_counts.py").write_text(PLUGIN)
    offers = {
        ("cenote.architectures", "BertModel"): "SPEC",
        ("cenote.tasks", "acme_count"): "COUNT",
        ("cenote.tasks", "acme_places"): "PLACES",
        ("cenote.tasks", "acme_last"): "LAST",
        ("cenote.scorers", "acme"): "BY_LENGTH",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        undo = [
            default_registry().register(group, name, f"acme_counts:{target}", distribution="cenote-acme")
            for (group, name), target in offers.items()
        ]
        yield build_checkpoint("bert", place / "model", config={"acme": True})
        for each in undo:
            each()


@pytest.fixture(scope="module")
def llm(folder: Path) -> Iterator[LLM]:
    with LLM(str(folder)) as model:
        yield model


@pytest.fixture(scope="module")
def client(folder: Path, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(str(folder), served_model_name="acme")
    with start_server(engine=engine, names=("acme",)) as running, httpx.Client(base_url=running.url) as client:
        yield client
    asyncio.run(engine.shutdown())


def test_the_model_lists_them(llm: LLM) -> None:
    assert llm.supported_tasks == ("acme_count", "acme_last", "acme_places", "embed", "token_embed")
    assert llm.default_task == "embed"


def test_a_task_of_a_plugin_is_answered_offline(llm: LLM) -> None:
    counts = llm.encode(TEXTS, pooling_task="acme_count", use_tqdm=False)
    assert [output.outputs.data.tolist() for output in counts] == [[len(o.prompt_token_ids)] for o in counts]
    (places,) = llm.encode(TEXTS[:1], pooling_task="acme_places", use_tqdm=False)
    assert places.outputs.data.tolist() == [[float(at)] for at in range(len(places.prompt_token_ids))]


def test_it_is_answered_over_http_by_its_grain(client: httpx.Client, llm: LLM) -> None:
    for task in ("acme_count", "acme_places"):
        answer = client.post("/pooling", json={"input": TEXTS, "task": task})
        assert answer.status_code == 200, answer.text
        expected = [output.outputs.data for output in llm.encode(TEXTS, pooling_task=task, use_tqdm=False)]
        for item, array in zip(answer.json()["data"], expected, strict=True):
            assert_close(np.asarray(item["data"]), array, tolerance=0.0, name=task)


def test_a_sparse_row_of_it_is_written_as_one(client: httpx.Client, llm: LLM) -> None:
    answer = client.post("/pooling", json={"input": TEXTS, "task": "acme_last"})
    assert answer.status_code == 200, answer.text
    lengths = [len(output.prompt_token_ids) for output in llm.encode(TEXTS, pooling_task="embed", use_tqdm=False)]
    found = [item["data"] for item in answer.json()["data"]]
    assert found == [{"indices": [length - 1], "values": [1.0]} for length in lengths]


def test_it_comes_from_one_pass_with_tasks_of_the_core(folder: Path) -> None:
    async def together() -> Any:
        engine = AsyncLLM(str(folder))
        try:
            outputs = await engine.run(parse_prompts(TEXTS), task="embed", also=("acme_count",))
            return [output.outputs.by_task for output in outputs], engine.stats().forwards
        finally:
            await engine.shutdown()

    found, forwards = asyncio.run(together())
    assert forwards == 1
    assert all(set(item) == {"embed", "acme_count"} for item in found)


def test_a_parameter_that_means_nothing_for_it_is_refused(client: httpx.Client) -> None:
    answer = client.post("/pooling", json={"input": TEXTS, "task": "acme_places", "use_activation": True})
    assert answer.status_code == 400
    assert "use_activation means nothing for task 'acme_places'" in answer.json()["error"]["message"]


def test_a_way_of_scoring_of_a_plugin_is_asked_for_by_name(llm: LLM) -> None:
    lengths = [output.outputs.data[0].item() for output in llm.encode(TEXTS, pooling_task="acme_count", use_tqdm=False)]
    found = llm.score(TEXTS[0], TEXTS, score_type="acme", use_tqdm=False)
    assert [output.outputs.score for output in found] == [0.0, -abs(lengths[0] - lengths[1])]


def test_it_is_asked_for_over_http_too(client: httpx.Client, llm: LLM) -> None:
    body = {"text_1": TEXTS[0], "text_2": TEXTS, "score_type": "acme"}
    answer = client.post("/score", json=body)
    assert answer.status_code == 200, answer.text
    expected = [output.outputs.score for output in llm.score(TEXTS[0], TEXTS, score_type="acme", use_tqdm=False)]
    assert [item["score"] for item in answer.json()["data"]] == expected
