"""Conformance tests of an IO processor: subclass, name the processor, and pytest runs them all.

    class TestMyProcessor(IOProcessorConformance):
        processor = "my-processor"           # an entry point of `cenote.io_processors`, or the class itself
        bad_examples = ({"texts": []},)      # what it must refuse

The values of `data` are the class's own `examples`; override the fixture of that name for others. It is run offline, on
the event loop and over HTTP, with a tiny look-alike of a model that can do one of its `tasks`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.errors import CenoteError
from cenote.io_processors import IO_PROCESSOR_API, IOProcessor
from cenote.testing.capabilities import needs
from cenote.testing.conformance.answers import assert_same_answer
from cenote.testing.conformance.processor_base import ProcessorBase, offline
from cenote.testing.conformance.processor_calls import ask, ask_together, post, published
from cenote.testing.conformance.processor_variants import blocking_only, watched

__all__ = ["IOProcessorConformance"]

#: Values that hardly any processor takes; they may be answered or refused, but never fail.
_STRANGE: tuple[Any, ...] = (0, -1.5, "", "text", True, [], {}, [None], [[1]], {"no such member": {}}, [{"": ""}])
#: Concurrent requests.
_CROWD = 6


class IOProcessorConformance(ProcessorBase):
    """What every IO processor must do; the attributes and fixtures are those of `ProcessorBase`."""

    # The class.

    def test_it_is_written_for_this_interface(self) -> None:
        kind = self.processor_class()
        assert issubclass(kind, IOProcessor)
        assert kind.api_version == IO_PROCESSOR_API

    @needs("request")
    def test_its_request_has_a_json_schema_that_its_examples_fit(self, examples: Sequence[Any]) -> None:
        request = self.processor_class().Request
        assert request is not None
        _assert_complete(request.model_json_schema())
        for data in examples:
            request.model_validate(data)

    @needs("request")
    def test_its_request_is_in_the_openapi_document(self, engine: AsyncLLM, name: str) -> None:
        request = self.processor_class().Request
        assert request is not None
        shown, own = asyncio.run(published(engine, name)), request.model_json_schema()
        assert set(shown.get("properties", {})) == set(own.get("properties", {}))

    @needs("response")
    def test_its_response_has_a_json_schema(self) -> None:
        response = self.processor_class().Response
        assert response is not None
        _assert_complete(response.model_json_schema(mode="serialization"))

    @needs("installed")
    def test_importing_it_loads_no_torch(self) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _IMPORT, self.processor_class().__module__], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == ""

    # Answers.

    @needs("response")
    def test_each_answer_is_a_valid_response(self, answers: list[Any]) -> None:
        response = self.processor_class().Response
        assert response is not None
        for answer in answers:
            response.model_validate(answer)

    def test_each_answer_is_strict_json(self, answers: list[Any]) -> None:
        for answer in answers:
            json.dumps(answer, allow_nan=False)

    def test_the_same_request_gets_the_same_answer(
        self, model: LLM, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        for data, answer in zip(reversed(examples), reversed(answers), strict=True):
            assert_same_answer(offline(model, data), answer, tolerance=self.tolerance, name="again")

    def test_the_event_loop_gets_what_one_caller_gets(
        self, engine: AsyncLLM, name: str, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        found = asyncio.run(ask(engine, name, examples))
        assert_same_answer(found, answers, tolerance=self.tolerance, name="AsyncLLM")

    def test_http_gets_what_one_caller_gets(
        self, engine: AsyncLLM, name: str, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        replies = asyncio.run(post(engine, name, examples))
        assert [reply.status_code for reply in replies] == [200] * len(examples), [reply.text for reply in replies]
        found = [reply.json()["data"] for reply in replies]
        assert_same_answer(found, answers, tolerance=self.tolerance, name="HTTP")

    def test_requests_at_one_time_do_not_mix(
        self, engine: AsyncLLM, name: str, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        many = list(range(len(examples))) * max(1, _CROWD // len(examples))
        found = asyncio.run(ask_together(engine, name, [examples[index] for index in many]))
        expected = [answers[index] for index in many]
        assert_same_answer(found, expected, tolerance=self.tolerance, name="at one time")

    def test_sync_hooks_stay_out_of_the_event_loop(
        self, checkpoint: str | Path, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        kind, threads = watched(self.processor_class())
        loop_thread, found = self.answers_of(kind, checkpoint, examples[:1])
        assert_same_answer(found, answers[:1], tolerance=self.tolerance, name="watched")
        called = {hook for hook, thread in threads if thread == loop_thread}
        assert called == set(), "these hooks held up the event loop"

    @needs("both variants")
    def test_sync_and_async_hooks_agree(
        self, checkpoint: str | Path, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        _, found = self.answers_of(blocking_only(self.processor_class()), checkpoint, examples)
        assert_same_answer(found, answers, tolerance=self.tolerance, name="with the blocking hooks")

    # Refusals.

    @needs("bad examples")
    def test_bad_data_is_refused_by_name(self, model: LLM, engine: AsyncLLM, name: str) -> None:
        for data, reply in zip(self.bad_examples, asyncio.run(post(engine, name, self.bad_examples)), strict=True):
            assert 400 <= reply.status_code < 500, (data, reply.text)
            assert name in reply.json()["error"]["message"], data
            with pytest.raises(CenoteError, match=name):
                offline(model, data)

    def test_strange_data_is_never_our_fault(self, engine: AsyncLLM, name: str) -> None:
        strange = (None, *_STRANGE)
        for data, reply in zip(strange, asyncio.run(post(engine, name, strange)), strict=True):
            assert reply.status_code < 500, (data, reply.text)
            if reply.status_code >= 400 and data is not None:
                assert name in reply.json()["error"]["message"], data

    def test_refused_data_leaves_it_usable(
        self, model: LLM, engine: AsyncLLM, name: str, examples: Sequence[Any], answers: list[Any]
    ) -> None:
        mixed = [*self.bad_examples, *_STRANGE, examples[0]]
        last = asyncio.run(post(engine, name, mixed))[-1]
        assert_same_answer(last.json()["data"], answers[0], tolerance=self.tolerance, name="after refusals")


_IMPORT = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(",".join(sorted({"torch", "transformers"} & set(sys.modules))))
"""


def _assert_complete(schema: dict[str, Any]) -> None:
    """Check that a schema is JSON and that what it refers to is in it."""
    text = json.dumps(schema, allow_nan=False)
    names = {part.partition('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert names <= set(schema.get("$defs", {})), f"the schema refers to {names}, which it lacks"
