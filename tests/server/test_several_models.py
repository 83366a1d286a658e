"""Several models in one server, chosen by `model`."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.cli.served_processors import ServedProcessors
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest, ModelNotFound
from cenote.io_processors import IOProcessor, RequestContext
from cenote.registry import default_registry
from cenote.server.models import ModelTable, ServedModel
from cenote.testing.checkpoints import build_checkpoint

COMMAND = [sys.executable, "-c", "from cenote.cli import main; main()", "serve", "--host", "127.0.0.1", "--port", "0"]
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1"}
FORKS = runpy.run_path(str(Path(__file__).parents[1] / "forks.py"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    base = tmp_path_factory.mktemp("models")
    return str(build_checkpoint("bert", base / "vectors")), str(build_checkpoint("bert_classifier", base / "moods"))


@pytest.fixture(scope="module")
def run_to_end() -> Iterator[Callable[..., Any]]:
    """Run `cenote serve`, in a fork of a process that has imported what it needs."""
    with FORKS["forking"]() as forks:
        yield lambda *words: forks.run((*COMMAND[3:], *words), environment=ENVIRONMENT)


@pytest.fixture(scope="module")
def served(folders: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    """A server of two models, and its banner."""
    log = tmp_path_factory.mktemp("log") / "log"
    arguments = [*folders, "--served-model-name", "first", "second", "--enable-runtime-lora-updating"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT
        )
    assert process.stdout is not None
    try:
        banner = ""
        while "stop      Ctrl+C" not in banner:
            line = process.stdout.readline()
            assert line, log.read_text()
            banner += line
        found = re.search(r"ready at (http://\S+)", banner)
        assert found
        with httpx.Client(base_url=found[1], timeout=60) as client:
            yield client, banner
        process.terminate()
        assert process.wait(30) == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--io-processor-plugin", "no-such-one"), "no-such-one"),
        (("--io-processor-plugin", "sparse-terms,sparse-terms"), "names a processor twice"),
        (
            ("--io-processor-plugin", "sparse-terms"),
            "The IO processor 'sparse-terms' fits none of the models. The IO processor 'sparse-terms' works with",
        ),
        (("--routes", "no-such-set"), "--routes no-such-set: "),
    ],
)
def test_plugins_that_cannot_be_used_stop_the_start(
    run_to_end: Callable[..., Any], folders: tuple[str, str], flags: tuple[str, ...], text: str
) -> None:
    done = run_to_end(*folders, *flags)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_each_model_gets_the_processors_that_fit_it(
    folders: tuple[str, str], tmp_path: Path, offer_processors: None
) -> None:
    words = AsyncLLM(str(build_checkpoint("splade", tmp_path / "words")))
    plain = AsyncLLM(folders[0])
    try:
        given = ServedProcessors({"io_processor_plugin": ["lengths,sparse-terms"], "dtype": "float32"})
        assert given.left({"io_processor_plugin": ["x"], "dtype": "float32"}) == {"dtype": "float32"}
        given.add_to([plain, words])
        assert plain.io_processors == ("lengths",)
        assert words.io_processors == ("lengths", "sparse-terms")
        with pytest.raises(InvalidRequest, match="is loaded already"):
            words.add_processor("lengths")
    finally:
        for engine in (words, plain):
            asyncio.run(engine.shutdown())
    text = "io_processor_settings is for 'b', which --io-processor-plugin does not name."
    with pytest.raises(InvalidRequest, match=text):
        ServedProcessors({"io_processor_plugin": ["lengths"], "io_processor_settings": {"b": {}}})


class Lengths(IOProcessor[Any, Any]):
    """Fits every model."""

    def pre_process(self, prompt: Any, context: RequestContext) -> Any:
        return str(prompt)

    def post_process(self, outputs: Any, context: RequestContext) -> Any:
        return len(outputs)


@pytest.fixture
def offer_processors() -> Iterator[None]:
    undo = default_registry().register("cenote.io_processors", "lengths", Lengths)
    yield
    undo()


def test_the_banner_and_the_list_of_models_have_every_model(served: tuple[httpx.Client, str]) -> None:
    client, banner = served
    assert re.findall(r"  model     (\S+)", banner) == ["first", "second"]
    assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["first", "second"]


def test_requests_choose_by_name_and_none_is_the_first_that_can(served: tuple[httpx.Client, str]) -> None:
    client, _ = served
    assert client.post("/v1/embeddings", json={"input": "a"}).json()["model"] == "first"
    assert client.post("/classify", json={"input": "a", "model": "second"}).json()["model"] == "second"
    assert client.post("/pooling", json={"input": "a", "model": "second"}).json()["model"] == "second"
    assert client.post("/classify", json={"input": "a"}).json()["model"] == "second"
    assert client.post("/classify", json={"input": "a", "model": "first"}).status_code == 501
    assert client.post("/v1/embeddings", json={"input": "a", "model": "second"}).status_code == 501
    unknown = client.post("/v1/embeddings", json={"input": "a", "model": "third"})
    assert unknown.status_code == 404
    assert "first, second" in unknown.json()["error"]["message"]


def test_metrics_tell_the_models_apart(served: tuple[httpx.Client, str]) -> None:
    client, _ = served
    client.post("/classify", json={"input": "a", "model": "second"})
    client.post("/v1/embeddings", json={"input": "a"})
    metrics = client.get("/metrics").text
    assert re.search(r'^cenote:items_total\{[^}]*"first"[^}]*\} [1-9]', metrics, re.MULTILINE)
    assert re.search(r'^cenote:items_total\{[^}]*"second"[^}]*\} [1-9]', metrics, re.MULTILINE)


@pytest.fixture(scope="module")
def mixed(scoring: Any, start_server: Any) -> Iterator[httpx.Client]:
    """A server whose first model labels texts, the second scores pairs, and the third embeds."""
    engines = {name: scoring.engines[name] for name in ("labels", "pairs", "all-MiniLM-L6-v2")}
    with start_server(engine=engines) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


PAIR = {"queries": "a", "documents": ["b"]}
RANKING = {"query": "a", "documents": ["b"]}


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/v1/embeddings", {"input": "a"}, "all-MiniLM-L6-v2"),
        ("/v1/embeddings", {"input": "a", "return_multivector": True}, "all-MiniLM-L6-v2"),
        ("/classify", {"input": "a"}, "labels"),
        ("/pooling", {"input": "a"}, "labels"),
        ("/pooling", {"input": "a", "task": "token_embed"}, "all-MiniLM-L6-v2"),
        ("/pooling", {"input": "a", "outputs": ["dense", "multi"]}, "all-MiniLM-L6-v2"),
        ("/score", PAIR, "pairs"),
        ("/score", {**PAIR, "score_type": "dense"}, "all-MiniLM-L6-v2"),
        ("/v2/rerank", RANKING, "pairs"),
        ("/rerank", {**RANKING, "score_type": "colbert"}, "all-MiniLM-L6-v2"),
        ("/invocations", {"input": "a"}, "labels"),
        ("/invocations", RANKING, "pairs"),
        ("/invocations", {"input": "a", "task": "token_embed"}, "all-MiniLM-L6-v2"),
        ("/invocations", {"input": "a", "encoding_format": "bytes"}, "labels"),
    ],
)
def test_without_a_name_the_first_model_that_can_answers(
    mixed: httpx.Client, path: str, body: dict[str, Any], model: str
) -> None:
    for given in ({}, {"model": None}, {"model": ""}):
        answer = mixed.post(path, json={**body, **given})
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == model


def test_coheres_routes_embed_with_the_first_model_that_can(mixed: httpx.Client) -> None:
    for path in ("/v1/embed", "/v2/embed"):
        assert len(mixed.post(path, json={"texts": ["a"], "embedding_types": ["float"]}).json()["embeddings"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", {"input": "a", "model": "labels"}, 501),
        ("/v2/embed", {"texts": ["a"], "model": "pairs"}, 501),
        ("/v2/rerank", {**RANKING, "model": "labels"}, 501),
        ("/pooling", {"input": "a", "task": "token_embed", "model": "labels"}, 400),
        ("/invocations", {**RANKING, "model": "labels"}, 400),
        ("/v1/embeddings", {"input": "a", "outputs": ["sparse"]}, 400),  # no model has it
        ("/score", {**PAIR, "score_type": "nothing"}, 400),
        ("/invocations", {"input": 5}, 400),
    ],
)
def test_a_named_model_is_never_exchanged_and_what_none_can_do_is_refused(
    mixed: httpx.Client, path: str, body: dict[str, Any], status: int
) -> None:
    assert mixed.post(path, json=body).status_code == status


def test_a_task_that_no_model_has_is_refused_before_an_unknown_model(mixed: httpx.Client) -> None:
    body = {"input": "a", "model": "nobody"}
    assert mixed.post("/pooling", json={**body, "task": "bogus"}).json()["error"]["param"] == "task"
    assert mixed.post("/pooling", json={**body, "task": "embed"}).status_code == 404


def test_an_unknown_name_lists_those_that_are_served(scoring: Any) -> None:
    names = [card["id"] for card in scoring.client.get("/v1/models").json()["data"]]
    assert len(names) > 3
    answer = scoring.client.post("/v1/embeddings", json={"input": "a", "model": "nobody"})
    assert answer.json()["error"]["message"] == f"The model 'nobody' does not exist. Served: {', '.join(names)}."


def test_of_very_many_names_the_likely_ones_are_listed(engine: Any) -> None:
    names = tuple(f"model-{number}" for number in range(30))
    with pytest.raises(ModelNotFound, match=r"Served: model-29, .* and 10 more\.$"):
        ModelTable([ServedModel(names[0], names, engine)]).resolve("model-29x")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("{0}", "{0}"), "Two models would be called 'vectors'"),
        (("a={0}", "b=/no/such/folder"), "The model 'b' (/no/such/folder) did not load: "),
        (("{0}", "{1}", "--lora-modules", "a=b"), "--lora-modules names adapters of one model"),
        (("{0}", "--model", "{1}"), "The model is given twice"),
    ],
)
def test_a_wrong_choice_of_models_ends_the_start_with_one_line(
    run_to_end: Callable[..., Any], folders: tuple[str, str], arguments: tuple[str, ...], text: str
) -> None:
    done = run_to_end(*(word.format(*folders) for word in arguments))
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout


def test_unknown_names_pass_where_the_operator_says_so(start_server: Any) -> None:
    with start_server(skip_model_name_validation=True) as running:
        answer = httpx.post(running.url + "/v1/embeddings", json={"model": "text-embedding-3-small", "input": "a"})
    assert (answer.status_code, answer.json()["model"]) == (200, "all-MiniLM-L6-v2")
