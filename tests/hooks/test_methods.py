"""What a plugin's hooks must be like, and what is said where they are not."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cenote.hooks import BatchDone, hookimpl
from cenote.hooks.methods import check_hooks, hook_methods, hook_names


def _plugin(**functions: Any) -> Any:
    return SimpleNamespace(**functions)


def test_hooks_may_take_fewer_arguments() -> None:
    class Plugin:
        @hookimpl
        def cenote_batch_done(self) -> None:
            """Not interested in the event."""

        @hookimpl
        def cenote_engine_options(self, options: Any, further: int = 0) -> None:
            """One argument of its own, with a default."""

    found = hook_methods(Plugin())
    assert found["cenote_batch_done"].arguments == ()
    assert found["cenote_engine_options"].arguments == ("options",)


def test_a_function_may_have_another_name_than_its_hook() -> None:
    class Plugin:
        @hookimpl(specname="cenote_batch_done")
        def count(self, event: BatchDone) -> None:
            """Count."""

        @hookimpl(optionalhook=True)
        def cenote_of_a_later_version(self, event: Any) -> None:
            """Never called by this core."""

    assert {name: method.attribute for name, method in hook_methods(Plugin()).items()} == {"cenote_batch_done": "count"}


def _wants_too_much(event: Any, clock: Any) -> None:
    """Two arguments."""


def _positional(event: Any, /) -> None:
    """By place only."""


async def _asynchronous(event: Any) -> None:
    """Never awaited."""


@pytest.mark.parametrize(
    ("plugin", "kind", "message"),
    [
        (_plugin(cenote_batch_end=hookimpl(lambda event: None)), ValueError, "did you mean cenote_batch_done"),
        (
            _plugin(boom=hookimpl(lambda: None)),
            ValueError,
            "unknown hook 'boom'; there are cenote_batch_done, ",
        ),
        (
            _plugin(cenote_batch_done=hookimpl(_wants_too_much)),
            TypeError,
            "wants 'clock'; the hook offers event",
        ),
        (_plugin(cenote_batch_done=hookimpl(_positional)), TypeError, "wants 'event'; the hook offers event"),
        (_plugin(cenote_metrics=hookimpl(lambda event: None)), TypeError, "the hook offers no arguments"),
        (
            _plugin(cenote_batch_done=hookimpl(_asynchronous)),
            TypeError,
            "is asynchronous",
        ),
        (_plugin(cenote_batch_done=lambda event: None), ValueError, "is not marked: write @hookimpl"),
        (_plugin(cenote_batch_done=hookimpl(wrapper=True)(lambda event: None)), ValueError, "nothing is wrapped"),
        (_plugin(), ValueError, "it has no hooks"),
    ],
)
def test_what_cannot_be_called_is_refused(plugin: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        check_hooks(plugin)


def test_the_hooks_are_those_of_the_specification() -> None:
    assert hook_names() == (
        "cenote_batch_done",
        "cenote_engine_options",
        "cenote_metrics",
        "cenote_model_loaded",
        "cenote_request_done",
        "cenote_server_started",
        "cenote_server_stopping",
    )


def test_importing_hooks_imports_nothing_heavy() -> None:
    code = "import json, sys, cenote.hooks, cenote.hooks.caller; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "fastapi", "numpy", "pydantic", "prometheus_client"} & set(json.loads(done.stdout))
