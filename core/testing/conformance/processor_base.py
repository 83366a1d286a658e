"""What the parts of the processors' kit share: what is tested, fixtures, and calls."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.io_processors import IOProcessor
from cenote.registry import default_registry
from cenote.testing.capabilities import Capable
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.conformance.answers import as_json
from cenote.testing.conformance.processor_calls import ask
from cenote.testing.conformance.processor_variants import has_both
from cenote.testing.lookalikes import LOOKALIKES

__all__ = ["ProcessorBase", "offline"]


class ProcessorBase(Capable):
    """What the processor under test is like.

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
        """Return which of `installed`, `request`, `response`, `bad examples` and `both variants` there are."""
        found = {"installed": isinstance(cls.processor, str), "bad examples": bool(cls.bad_examples)}
        if cls.processor is not None:
            kind = cls.processor_class()
            found |= {"request": kind.Request is not None, "response": kind.Response is not None}
            found |= {"both variants": has_both(kind)}
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
        return [offline(model, data) for data in examples]

    @classmethod
    def _options(cls, name: str) -> dict[str, Any]:
        return {"io_processor_plugin": name, "io_processor_settings": {name: dict(cls.settings)}, **cls.options}

    def answers_of(
        self, kind: type[IOProcessor[Any, Any]], checkpoint: str | Path, examples: Sequence[Any]
    ) -> tuple[int, list[Any]]:
        """Return the thread of an event loop, and what another class answers there."""
        name = "kit-variant"
        undo = default_registry().register("cenote.io_processors", name, kind)
        try:
            engine = AsyncLLM(str(checkpoint), **self._options(name))
            return asyncio.run(_on_a_loop(engine, name, examples))
        finally:
            undo()


def offline(model: LLM, data: Any) -> Any:
    """Return the answer to one request, as JSON."""
    (output,) = model.encode({"data": data}, pooling_task="plugin", use_tqdm=False)
    return as_json(output.outputs.data)


async def _on_a_loop(engine: AsyncLLM, name: str, examples: Sequence[Any]) -> tuple[int, list[Any]]:
    try:
        return threading.get_ident(), await ask(engine, name, examples)
    finally:
        await engine.shutdown()
