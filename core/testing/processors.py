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
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.errors import CenoteError
from cenote.io_processors import IO_PROCESSOR_API, IOProcessor
from cenote.registry import default_registry
from cenote.testing.answers import as_json, assert_same_answer
from cenote.testing.capabilities import Capable, needs
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.lookalikes import LOOKALIKES
from cenote.testing.processor_calls import ask, ask_together, post
from cenote.testing.processor_threads import watched

__all__ = ["IOProcessorConformance"]

#: Values that hardly any processor takes; they may be answered or refused, but never fail.
_STRANGE: tuple[Any, ...] = (0, -1.5, "", "text", True, [], {}, [None], [[1]], {"no such member": {}}, [{"": ""}])
#: Concurrent requests.
_CROWD = 6


class IOProcessorConformance(Capable):
    """What every IO processor must do.

    Attributes:
        processor: name of the entry point, or the class. Must be set.
        settings: what an operator would set for it.
        family: the look-alike to run with; None takes the one that `LOOKALIKES` has for its first task.
        options: further options of `LLM`.
        bad_examples: values of `data` that it must refuse as the client's fault.
        tolerance: largest difference allowed between numbers of two equal requests.
    """

    processor: ClassVar[str | type[IOProcessor[Any, Any]] | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}
    family: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, Any]] = {}
    bad_examples: ClassVar[Sequence[Any]] = ()
    tolerance: ClassVar[float] = 1e-5

    @classmethod
    def capabilities(cls) -> frozenset[str]:
        """Return which of `installed`, `request`, `response` and `bad examples` there are."""
        found = {"installed": isinstance(cls.processor, str), "bad examples": bool(cls.bad_examples)}
        if cls.processor is not None:
            kind = cls.processor_class()
            found |= {"request": kind.Request is not None, "response": kind.Response is not None}
        return frozenset(name for name, has in found.items() if has)

    @classmethod
    def processor_class(cls) -> type[IOProcessor[Any, Any]]:
        """Return the class under test."""
        if cls.processor is None:
            raise cls.missing("the attribute 'processor'")
        if isinstance(cls.processor, str):
            loaded: type[IOProcessor[Any, Any]] = default_registry().get("cenote.io_processors", cls.processor)
            return loaded
        return cls.processor

    # Fixtures to override.

    @pytest.fixture(scope="class")
    @classmethod
    def examples(cls) -> Sequence[Any]:
        """Values of `data` that work: at least two different ones."""
        return cls.processor_class().examples

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> str | Path:
        """Folder or name of the checkpoint to run with."""
        tasks = (cls.processor_class().tasks or ("embed",))[0].split("&")
        known = [LOOKALIKES[task] for task in tasks if task in LOOKALIKES]
        family = cls.family or next(iter(known), None)
        if family is None:
            raise cls.missing(f"the fixture 'checkpoint': there is no look-alike for the tasks {tasks}")
        return build_checkpoint(family, tmp_path_factory.mktemp("checkpoint"))

    # Fixtures of the kit.

    @pytest.fixture(scope="class")
    @classmethod
    def name(cls) -> Iterator[str]:
        """The name under which the processor is selected; a class is registered for the time of its tests."""
        if isinstance(cls.processor, str):
            yield cls.processor
            return
        name = f"kit-{cls.processor_class().__name__}"
        undo = default_registry().register("cenote.io_processors", name, cls.processor_class())
        yield name
        undo()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint: str | Path, name: str) -> Iterator[LLM]:
        """The loaded model, with the processor."""
        with LLM(str(checkpoint), **cls._options(name)) as model:
            yield model

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, checkpoint: str | Path, name: str) -> Iterator[AsyncLLM]:
        """The same for an event loop."""
        engine = AsyncLLM(str(checkpoint), **cls._options(name))
        yield engine
        asyncio.run(engine.shutdown())

    @pytest.fixture(scope="class")
    @classmethod
    def answers(cls, model: LLM, examples: Sequence[Any]) -> list[Any]:
        """What each example gives offline, in a call of its own, as JSON."""
        assert len({json.dumps(as_json(data), sort_keys=True) for data in examples}) > 1, (
            "The tests need two or more different examples: with one, a mix-up of two requests could not be seen."
        )
        return [_offline(model, data) for data in examples]

    @classmethod
    def _options(cls, name: str) -> dict[str, Any]:
        return {"io_processor_plugin": name, "io_processor_settings": {name: dict(cls.settings)}, **cls.options}

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
            assert_same_answer(_offline(model, data), answer, tolerance=self.tolerance, name="again")

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
        undo = default_registry().register("cenote.io_processors", "kit-watched", kind)
        try:
            engine = AsyncLLM(str(checkpoint), **self._options("kit-watched"))
            loop_thread, found = asyncio.run(_in_this_thread(engine, examples[:1]))
        finally:
            undo()
        assert_same_answer(found, answers[:1], tolerance=self.tolerance, name="watched")
        called = {hook for hook, thread in threads if thread == loop_thread}
        assert called == set(), "these hooks held up the event loop"

    # Refusals.

    @needs("bad examples")
    def test_bad_data_is_refused_by_name(self, model: LLM, engine: AsyncLLM, name: str) -> None:
        for data, reply in zip(self.bad_examples, asyncio.run(post(engine, name, self.bad_examples)), strict=True):
            assert 400 <= reply.status_code < 500, (data, reply.text)
            assert name in reply.json()["error"]["message"], data
            with pytest.raises(CenoteError, match=name):
                _offline(model, data)

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


def _offline(model: LLM, data: Any) -> Any:
    """Return the answer to one request, as JSON."""
    prompt: Any = {"data": data}
    (output,) = model.encode(prompt, pooling_task="plugin", use_tqdm=False)
    return as_json(output.outputs.data)


async def _in_this_thread(engine: AsyncLLM, examples: Sequence[Any]) -> tuple[int, list[Any]]:
    try:
        return threading.get_ident(), await ask(engine, "kit-watched", examples)
    finally:
        await engine.shutdown()


def _assert_complete(schema: dict[str, Any]) -> None:
    """Check that a schema is JSON and that what it refers to is in it."""
    text = json.dumps(schema, allow_nan=False)
    names = {part.partition('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert names <= set(schema.get("$defs", {})), f"the schema refers to {names}, which it lacks"
