"""Hooks of a real server: what it tells of itself and of requests, and metrics of plugins."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

import cenote
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest
from cenote.hooks import RequestDone, ServerStarted, ServerStopping, hookimpl
from cenote.hooks.caller import HookCaller
from cenote.registry import default_registry
from cenote.registry.fingerprint import fingerprint
from cenote.server.metrics import Metrics
from cenote.server.models import ModelTable, ServedModel


class Notes:
    """Hears everything that a server tells."""

    def __init__(self) -> None:
        self.requests: list[RequestDone] = []
        self.server: list[ServerStarted | ServerStopping] = []

    @hookimpl
    def cenote_server_started(self, event: ServerStarted) -> None:
        self.server.append(event)

    @hookimpl
    def cenote_request_done(self, event: RequestDone) -> None:
        self.requests.append(event)

    @hookimpl
    def cenote_server_stopping(self, event: ServerStopping) -> None:
        self.server.append(event)


class Gives:
    """Has the hook `cenote_metrics`."""

    def __init__(self, collectors: Any) -> None:
        self.collectors = collectors

    @hookimpl
    def cenote_metrics(self) -> Any:
        if isinstance(self.collectors, Exception):
            raise self.collectors
        return self.collectors


class Collects:
    """A collector made of a function."""

    def __init__(self, collect: Callable[[], Any]) -> None:
        self.collect = collect


@pytest.fixture
def plug() -> Iterator[Callable[[str, object], None]]:
    """Offer hooks under a name in this process, until the test ends."""
    with ExitStack() as stack:
        yield lambda name, plugin: stack.callback(
            default_registry().register("cenote", name, plugin, distribution="acme", version="1.2")
        )


def _samples(url: str) -> dict[tuple[str, ...], float]:
    answer = httpx.get(url + "/metrics", timeout=30)
    assert answer.status_code == 200
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_server_tells_of_its_start_of_requests_and_of_its_end(start_server: Any, plug: Any) -> None:
    notes = Notes()
    plug("notes", notes)
    with start_server(names=("m", "alias")) as running:
        texts = ["a text", "another", "word " * 900]
        body = {"input": texts, "truncate_prompt_tokens": 64}
        headers = {"X-Request-Id": "mine"}
        usage = httpx.post(running.url + "/v1/embeddings", json=body, headers=headers).json()["usage"]
        httpx.post(running.url + "/score", json={"queries": "a", "documents": ["b", "c"]})
        assert httpx.post(running.url + "/v1/embeddings", json={"input": "word " * 900}).status_code == 400
        assert running.state.hooks.flush(20)
        url = running.url
    done, scored, failed = notes.requests
    assert (done.model, done.task, done.request_id, done.outcome) == ("m", "embed", "mine", "stop")
    assert (done.items, done.tokens, len(done.prompt_tokens)) == (3, usage["prompt_tokens"], 3)
    assert done.prompt_tokens[2] == 64
    assert done.truncated_tokens > 0
    assert min(done.tokenizing, done.queueing, done.computing) > 0
    assert done.tokenizing + done.queueing + done.computing <= done.seconds
    assert (scored.task, scored.outcome, scored.items) == ("score", "stop", 2)
    assert (failed.outcome, failed.items, failed.tokens, failed.prompt_tokens) == ("error", 0, 0, ())
    started, stopping = notes.server
    assert started == ServerStarted(url=url, models=("m", "alias"), version=cenote.__version__)
    assert isinstance(stopping, ServerStopping)
    assert stopping.models == ("m", "alias")
    assert stopping.seconds > 0


def test_refused_and_aborted_requests_are_told_as_such(
    start_server: Any, plug: Any, plain_engine: Any, plain_model: Any, until: Any
) -> None:
    notes = Notes()
    plug("notes", notes)
    engine = plain_engine(plain_model.PlainModel(), max_num_queued_reqs=1)
    engine.pause()
    with start_server(engine=engine, names=("m",), request_timeout=1.0) as running:
        body = {"input": [1, 2]}
        waiting = threading.Thread(target=lambda: httpx.post(running.url + "/v1/embeddings", json=body))
        waiting.start()
        until(lambda: engine.stats().waiting == 1)
        assert httpx.post(running.url + "/v1/embeddings", json=body).status_code == 429
        waiting.join(20)
        assert running.state.hooks.flush(20)
        found = _samples(running.url)
    assert [event.outcome for event in notes.requests] == ["refused", "abort"]
    task = notes.requests[0].task
    assert found["cenote:admission_rejections_total", "model_name=m", f"task={task}"] == 1
    assert found["cenote:request_success_total", "finished_reason=error", "model_name=m", f"task={task}"] == 1
    assert found["cenote:request_success_total", "finished_reason=abort", "model_name=m", f"task={task}"] == 1
    asyncio.run(engine.shutdown())


def test_a_hook_that_raises_costs_no_answer_and_is_counted(start_server: Any, plug: Any) -> None:
    class Broken:
        @hookimpl
        def cenote_request_done(self) -> None:
            raise RuntimeError("no luck")

    notes = Notes()
    plug("broken", Broken())
    plug("notes", notes)
    with start_server(names=("m",)) as running:
        for _ in range(2):
            assert httpx.post(running.url + "/v1/embeddings", json={"input": "a"}).status_code == 200
        assert running.state.hooks.flush(20)
        found = _samples(running.url)
    assert len(notes.requests) == 2
    assert found["cenote:hook_errors_total", "hook=cenote_request_done", "plugin=broken"] == 2


def test_a_hook_that_hangs_costs_no_answer_and_what_it_misses_is_counted(start_server: Any, plug: Any) -> None:
    gate = threading.Event()

    class Slow:
        @hookimpl
        def cenote_request_done(self) -> None:
            assert gate.wait(30)

    plug("slow", Slow())
    with start_server(names=("m",)) as running:
        for _ in range(3):
            assert httpx.post(running.url + "/v1/embeddings", json={"input": "a"}).status_code == 200
        (slow,) = [listener for listener in running.state.hooks if listener.name == "slow"]
        while slow.dropped < 2:  # without two thousand requests
            slow.tell("cenote_request_done", None)
        assert _samples(running.url)["cenote:hook_events_dropped_total", "plugin=slow"] == 2
        gate.set()


def test_plugins_add_metrics(start_server: Any, plug: Any) -> None:
    counter = Counter("acme_calls", "Calls.", ["kind"], registry=None)
    counter.labels("odd").inc(3)
    plug("acme", Gives([counter, Collects(lambda: [GaugeMetricFamily("acme_level", "Level.", value=0.5)])]))
    with start_server(names=("m",)) as running:
        found = _samples(running.url)
    assert found["acme_calls_total", "kind=odd"] == 3
    assert found[("acme_level",)] == 0.5
    assert found[("process_resident_memory_bytes",)] > 1e6  # a built-in plugin's
    assert ("cenote:forwards_total", "model_name=m") in found


def _raise() -> Any:
    raise RuntimeError("no luck")


@pytest.mark.parametrize(
    ("collectors", "fault"),
    [
        ([Collects(_raise)], "RuntimeError: no luck"),
        ([Collects(lambda: [object()])], "AttributeError"),
        ([Collects(lambda: None)], "TypeError"),
        ([Collects(lambda: [GaugeMetricFamily("acme_level", "Level.", value="high")])], "ValueError"),
        ([object()], "TypeError: it gave object, which is no collector of prometheus_client"),
        (5, "TypeError: 'int' object is not iterable"),
        (InvalidRequest("no metrics"), "InvalidRequest: no metrics"),
        ([Gauge("cenote:forwards_total", "Mine.", registry=None)], "'cenote:forwards_total' is there already"),
        ([Counter("cenote:items", "Mine.", registry=None)], "'cenote:items' is there already"),
    ],
)
def test_wrong_metrics_of_a_plugin_do_not_break_the_scrape(
    start_server: Any,
    plug: Any,
    server_log: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    collectors: Any,
    fault: str,
) -> None:
    plug("broken", Gives(collectors))
    plug("sound", Gives([Gauge("acme_sound", "Sound.", registry=None)]))
    with start_server(names=("m",)) as running:
        found = _samples(running.url)
        after = _samples(running.url)
    assert found[("acme_sound",)] == 0
    assert ("cenote:forwards_total", "model_name=m") in found
    assert after["cenote:hook_errors_total", "hook=cenote_metrics", "plugin=broken"] >= 1
    line = "plugin 'broken' of acme 1.2 failed in cenote_metrics: .*" + re.escape(fault)
    # Before the server has handlers of its own, and then; a server of an earlier test has left some.
    told = [len(re.findall(line, log)) for log in (server_log.text, capsys.readouterr().err)]
    assert max(told) == 1


def test_two_plugins_with_one_metric_are_told_apart_by_their_names(start_server: Any, plug: Any) -> None:
    for value, name in enumerate(("a", "b"), 1):
        plug(name, Gives([Collects(lambda value=value: [GaugeMetricFamily("acme_level", "Level.", value=value)])]))
    with start_server(names=("m",)) as running:
        assert _samples(running.url)[("acme_level",)] == 1
        assert _samples(running.url)["cenote:hook_errors_total", "hook=cenote_metrics", "plugin=b"] == 1


def test_a_collector_that_hangs_delays_a_scrape_but_neither_requests_nor_others(start_server: Any, plug: Any) -> None:
    gate, calls = threading.Event(), []

    def hang() -> Any:
        calls.append(1)
        assert gate.wait(30)
        return [GaugeMetricFamily("acme_level", "Level.", value=1)]

    plug("hanging", Gives([Collects(hang)]))
    plug("sound", Gives([Gauge("acme_sound", "Sound.", registry=None)]))
    with start_server(names=("m",)) as running:
        for _ in range(2):  # the second one asks no further time
            assert ("acme_sound",) in _samples(running.url)
        assert len(calls) == 1
        gate.set()
        assert running.state.hooks.flush(20)
        found = _samples(running.url)
    assert found[("acme_level",)] == 1
    assert found["cenote:hook_errors_total", "hook=cenote_metrics", "plugin=hanging"] == 2


def test_the_log_of_a_server_names_its_plugins_and_their_fingerprint(
    start_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_server(names=("m",)) as running:
        assert running.state.hooks.flush(20)
        log = capsys.readouterr().err
    (line,) = [line for line in log.splitlines() if "plugins of " in line]
    assert f"plugins of {running.url}: " in line
    assert line.endswith(f"; fingerprint {fingerprint()}")


def test_metrics_that_are_gone_hear_no_more(engine: AsyncLLM) -> None:
    gc.collect()  # what other tests left: it would go below, and be missing in the count
    hooks, before = HookCaller(), _living(engine.hooks)
    metrics = Metrics(ModelTable([ServedModel("m", ("m",), engine)]), hooks)
    assert _living(engine.hooks) == before + 1
    assert len(hooks.listeners("cenote_request_done")) == 1
    reference = weakref.ref(metrics)
    del metrics
    gc.collect()
    assert reference() is None
    assert all(listener.is_gone for listener in hooks)
    assert _living(engine.hooks) == before


def _living(hooks: HookCaller) -> int:
    return sum(not listener.is_gone for listener in hooks.listeners("cenote_batch_done"))
