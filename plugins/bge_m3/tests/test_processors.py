"""An IO processor that asks for vLLM's joined task gets both results from one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.io_processors import IOProcessor, RequestContext
from cenote.outputs import PoolingRequestOutput
from cenote.registry import default_registry
from cenote.testing.compare import assert_close

_TEXTS = ["How deep is the well?", "Bread needs flour, water, salt and time."]


class _Weighed(IOProcessor[Any, Any]):
    """Gives the vector of a text, and the weight of each of its tokens."""

    tasks = ("embed&token_classify",)

    def pre_process(self, prompt: Any, context: RequestContext) -> list[str]:
        return list(prompt)

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        return [{name: data.tolist() for name, data in output.outputs.by_task.items()} for output in outputs]


@pytest.fixture(scope="module")
def weighed(folder: Path) -> Iterator[LLM]:
    undo = default_registry().register("cenote.io_processors", "weighed", _Weighed)
    with LLM(str(folder), io_processor_plugin="weighed") as model:
        yield model
    undo()


def test_the_joined_task_gives_the_vector_and_the_weights(weighed: LLM) -> None:
    (output,) = weighed.encode({"data": _TEXTS}, pooling_task="plugin")
    for task in ("embed", "token_classify"):
        for found, alone in zip(output.outputs.data, weighed.encode(_TEXTS, pooling_task=task), strict=True):
            assert found.keys() == {"embed", "token_classify"}
            assert_close(found[task], alone.outputs.data, tolerance=2e-5)
