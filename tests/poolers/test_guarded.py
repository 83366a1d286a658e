"""What a pooling method of a plugin raises, or returns wrongly, names the plugin, and is never taken for a result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cenote import LLM
from cenote.errors import PluginFailure, WrongResult
from cenote.poolers import EmbeddingHead, IdentityPooler, SequencePooler, TaskPooler, get_method
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

HIDDEN = torch.ones(5, 4)


@pytest.fixture
def offer() -> Iterator[Callable[[Any], None]]:
    """Offer what a function makes of hidden states as the method `BAD`."""
    undo: list[Callable[[], None]] = []

    def register(make: Any) -> None:
        def bad(hidden: Any, lengths: Any, skips: Any) -> Any:
            return make(hidden)

        undo.append(default_registry().register("cenote.poolers", "BAD", bad, distribution="acme", version="1.2"))

    yield register
    for each in undo:
        each()


def _exit(hidden: Any) -> None:
    sys.exit(3)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (_exit, PluginFailure, "failed (SystemExit)"),
        (lambda hidden: {}["/srv/secret"], PluginFailure, "failed (KeyError)"),
        (lambda hidden: hidden[:1], WrongResult, "returned shape [1, 4] for 2 sequences, not [2, d]"),
        (lambda hidden: hidden[:2, 0], WrongResult, "returned shape [2] for 2 sequences, not [2, d]"),
        (lambda hidden: hidden[:2].int(), WrongResult, "returned int32 numbers, not floats"),
        (lambda hidden: [hidden[0]] * 2, WrongResult, "returned list, not a tensor"),
    ],
)
def test_what_fails_is_an_error_that_names_the_plugin(
    make: Any, kind: type[PluginFailure], text: str, offer: Callable[[Any], None]
) -> None:
    offer(make)
    with pytest.raises(kind) as caught:
        get_method("CLS+BAD")(HIDDEN, (2, 3), (0, 0))
    assert str(caught.value) == f"The pooling method 'BAD' of acme 1.2 {text}."
    assert (caught.value.plugin, caught.value.distribution) == ("BAD", "acme")


def test_a_wrong_number_of_rows_is_not_hidden_by_running_requests_alone(
    offer: Callable[[Any], None], tmp_path: Path
) -> None:
    offer(lambda hidden: hidden[:1].float())
    with LLM(str(build_checkpoint("bert", tmp_path)), pooler_config={"seq_pooling_type": "BAD"}) as llm:
        found = llm.encode(["one", "two"], pooling_task="embed")
    messages = {item.error.message if item.error else "" for item in found}
    assert len(messages) == 1
    assert "The pooling method 'BAD' of acme 1.2 returned shape [1, " in messages.pop()


def _batch() -> PoolingBatch:
    return PoolingBatch(tuple(PoolingRow(length=n, tasks=("embed",), params=PoolingParams()) for n in (2, 3)))


def test_a_method_that_is_no_entry_point_is_counted_too() -> None:
    pooler = SequencePooler(lambda hidden, lengths, skips: hidden[:1], EmbeddingHead())
    with pytest.raises(WrongResult, match="returned 1 rows for 2 sequences"):
        pooler(HIDDEN, _batch())


class _Short(IdentityPooler):
    def __call__(self, hidden: Any, batch: Any) -> Any:
        return [{"embed": hidden[0]}]


def test_results_of_poolers_are_counted() -> None:
    with pytest.raises(WrongResult, match="The pooler _Short returned 1 results for 2 prompts"):
        TaskPooler({"embed": _Short()})(HIDDEN, _batch())
