"""Many listeners, each called by itself: none can spoil it for the others."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from cenote.errors import InvalidRequest
from cenote.hooks import BatchDone, hookimpl
from cenote.hooks.caller import HookCaller
from cenote.hooks.listener import Listener
from cenote.hooks.mailbox import Mailbox
from cenote.hooks.methods import hook_methods
from cenote.registry import Registry

BATCH = BatchDone(model="m", requests=2, tokens=3, budget=4, seconds=0.5)

NOTES = """
heard = []

@hookimpl
def cenote_batch_done(event):
    heard.append((event.model, event.requests, event.tokens, event.budget, event.seconds))
"""


class Notes:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[BatchDone] = []

    @hookimpl
    def cenote_batch_done(self, event: BatchDone) -> None:
        self.heard.append(event)


@pytest.fixture
def notes() -> Notes:
    return Notes()


def _hear(caller: HookCaller) -> None:
    caller.tell("cenote_batch_done", BATCH)
    assert caller.flush(20)


def test_an_installed_module_hears_events_in_their_order(write_plugin: Any, registry_of: Any) -> None:
    registry = registry_of(write_plugin("notes", NOTES))
    caller = HookCaller.load(registry)
    for _ in range(3):
        _hear(caller)
    (entry,) = registry.entries("cenote")["notes"]
    assert registry.load(entry).heard == [("m", 2, 3, 4, 0.5)] * 3


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "@hookimpl\ndef cenote_batch_end(event): pass",
            "unknown hook 'cenote_batch_end'; did you mean",
        ),
        ("@hookimpl\ndef cenote_batch_done(event, loop): pass", "cenote_batch_done wants 'loop'"),
    ],
)
def test_a_plugin_that_does_not_load_is_one_warning_and_the_others_hear(
    write_plugin: Any, registry_of: Any, notes: Notes, caplog: pytest.LogCaptureFixture, code: str, cause: str
) -> None:
    registry = registry_of(write_plugin("broken", code, "0.3"))
    registry.register("cenote", "notes", notes)
    for _ in range(2):
        _hear(HookCaller.load(registry))
    assert notes.heard == [BATCH] * 2
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "Plugin 'broken' (cenote) of cenote-broken 0.3 is broken" in record.message
    assert cause in record.message


def test_a_disabled_plugin_is_never_imported(write_plugin: Any, registry_of: Any) -> None:
    entry = write_plugin("loud", "raise SystemExit(1)")
    assert not list(HookCaller.load(registry_of(entry, CENOTE_DISABLE_PLUGINS="hooks/loud")))


@pytest.mark.parametrize("failure", [RuntimeError("no luck"), SystemExit(1), InvalidRequest("no request here")])
def test_a_hook_that_raises_is_logged_and_counted_and_the_others_hear(
    notes: Notes, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:
    class Broken:
        @hookimpl
        def cenote_batch_done(self, event: BatchDone) -> None:
            raise failure

    registry = Registry([], environment={})
    registry.register("cenote", "a-broken", Broken(), distribution="acme", version="1.2")
    registry.register("cenote", "notes", notes)
    caller = HookCaller.load(registry)
    for _ in range(3):
        _hear(caller)
    assert notes.heard == [BATCH] * 3
    (broken,) = [listener for listener in caller if listener.name == "a-broken"]
    assert broken.errors == {"cenote_batch_done": 3}
    (record,) = caplog.records  # the others within the same minute are only counted
    assert "plugin 'a-broken' of acme 1.2 failed in cenote_batch_done" in record.message
    assert record.exc_info


def test_a_hook_that_hangs_delays_nobody_and_what_it_misses_is_counted(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    gate, entered = threading.Event(), threading.Event()

    class Slow:
        heard = 0

        @hookimpl
        def cenote_batch_done(self) -> None:
            entered.set()
            assert gate.wait(20)
            self.heard += 1

    slow, registry = Slow(), Registry([], environment={})
    registry.register("cenote", "slow", slow, distribution="acme")
    caller = HookCaller.load(registry)
    caller.register(notes, "notes")
    caller.tell("cenote_batch_done", BATCH)
    assert entered.wait(20)
    for _ in range(1024 + 5):
        caller.tell("cenote_batch_done", BATCH)
    assert len(notes.heard) == 1030
    assert not caller.flush(0.01)
    (listener,) = [listener for listener in caller if listener.name == "slow"]
    assert listener.dropped == 5
    assert "plugin 'slow' of acme is too slow for cenote_batch_done: 1 events were dropped by now." in caplog.text
    gate.set()
    assert caller.flush(20)
    assert slow.heard == 1025


def test_a_plugin_has_one_thread_and_one_count_in_all_callers(write_plugin: Any, registry_of: Any) -> None:
    registry = registry_of(write_plugin("notes", NOTES))
    (first,), (second,) = HookCaller.load(registry), HookCaller.load(registry)
    assert first is second
    assert HookCaller.load(registry_of(write_plugin("notes", NOTES))).listeners("cenote_batch_done") != (first,)


def test_what_a_host_registers_is_called_at_once_and_held_weakly(notes: Notes) -> None:
    caller, gone = HookCaller(), Notes()
    caller.register(notes, "notes")
    caller.register(gone, "gone")
    caller.tell("cenote_batch_done", BATCH)
    assert (len(notes.heard), len(gone.heard)) == (1, 1)
    reference = weakref.ref(gone)
    del gone
    gc.collect()
    assert reference() is None
    caller.tell("cenote_batch_done", BATCH)
    assert len(notes.heard) == 2
    caller.register(Notes(), "another")
    assert [listener.name for listener in caller] == ["notes", "another"]


def test_answers_come_in_the_order_of_names_unless_a_plugin_wants_to_be_first() -> None:
    def plugin(answer: str | None, **options: Any) -> Any:
        class Plugin:
            @hookimpl(**options)
            def cenote_metrics(self) -> Any:
                return answer

        return Plugin()

    registry = Registry([], environment={})
    for name, options in {"b": {}, "c": {"tryfirst": True}, "a": {"trylast": True}, "d": {}}.items():
        registry.register("cenote", name, plugin(name, **options))
    registry.register("cenote", "silent", plugin(None))
    answers = HookCaller.load(registry).ask("cenote_metrics")
    assert [answer for _, answer in answers] == ["c", "b", "d", "a"]


def test_a_thread_ends_without_work_and_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cenote.hooks.mailbox._LINGER", 0.01)
    threads: list[threading.Thread] = []
    mailbox = Mailbox("test")
    for _ in range(2):
        assert mailbox.put(lambda: threads.append(threading.current_thread()))
        assert mailbox.wait(20)
        threads[-1].join(20)
        assert not threads[-1].is_alive()
    assert threads[0] is not threads[1]


def test_a_call_that_breaks_the_thread_of_a_mailbox_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    heard, mailbox = [], Mailbox("test")

    def interrupt() -> None:
        raise KeyboardInterrupt

    mailbox.put(interrupt)
    mailbox.put(lambda: heard.append(1))
    assert mailbox.wait(20)
    assert heard == [1]
    assert "a call in thread test failed" in caplog.text


def test_a_repeated_failure_is_logged_again_after_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("cenote.hooks.listener.time.monotonic", lambda: now)
    notes = Notes()
    listener = Listener("notes", "acme 1.0", hook_methods(notes), lambda: notes)
    for second in (0, 1, 61, 62):
        now = 1000.0 + second
        listener.note("cenote_batch_done", ValueError("again"))
    assert [record.message for record in caplog.records] == [
        "plugin 'notes' of acme 1.0 failed in cenote_batch_done: ValueError: again",
        "plugin 'notes' of acme 1.0 failed in cenote_batch_done, 3 times by now: ValueError: again",
    ]
