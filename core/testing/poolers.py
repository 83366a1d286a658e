"""Conformance tests of poolers and pooling methods: subclass, name what is tested, and pytest runs them all.

    class TestMyMethod(PoolerConformance):
        method = "ACME"                      # an entry point of `cenote.poolers`, or the function itself

    class TestMyPooler(PoolerConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def pooler(cls):
            return MyPooler()

A method is tested alone and as the first half of a pooler with a plain head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from cenote.poolers import POSITIONS, EmbeddingHead, Pooler, PoolingMethod, SequencePooler, get_method
from cenote.poolers.methods import check_method
from cenote.tasks import Task, get_task
from cenote.testing.capabilities import Capable, needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

__all__ = ["PoolerConformance"]


class PoolerConformance(Capable):
    """What every pooler must do.

    Attributes:
        method: name of the pooling method under test, or the function; None: the fixture `pooler` gives a pooler.
        hidden_size: columns of the hidden states.
        lengths: tokens of the prompts in the batches; at least one of a single token.
        params: parameters of every prompt.
        uses_skips: leading tokens that a prompt leaves out of pooling take no part. Ignored by what pools no sequence.
        tolerance: largest difference allowed between two ways to compute the same.
    """

    method: ClassVar[str | PoolingMethod | None] = None
    hidden_size: ClassVar[int] = 16
    lengths: ClassVar[Sequence[int]] = (5, 1, 9, 2, 1, 7)
    params: ClassVar[PoolingParams] = PoolingParams()
    uses_skips: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-5

    @classmethod
    def capabilities(cls) -> frozenset[str]:
        """Return `method` where a method is tested, and `skips`."""
        found = {"method": cls.method is not None, "skips": cls.uses_skips and cls.method is not None}
        return frozenset(name for name, has in found.items() if has)

    # Fixtures to override.

    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls) -> Pooler:
        """The pooler under test. Must be overridden where no `method` is named."""
        return SequencePooler(cls._method(), EmbeddingHead(normalize=False))

    @classmethod
    def _method(cls) -> PoolingMethod:
        if cls.method is None:
            raise cls.missing("the fixture 'pooler', or set 'method'")
        # Asked of the class: an instance would bind a function to itself.
        return get_method(cls.method) if isinstance(cls.method, str) else cls.method

    def hidden(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return hidden states [sum of lengths, hidden_size], the same on every call."""
        generator = torch.Generator().manual_seed(len(self.lengths))
        return torch.randn(sum(self.lengths), self.hidden_size, generator=generator).to(dtype)

    def rows(self, tasks: tuple[str, ...]) -> list[PoolingRow]:
        """Return what the pooler is told of each prompt; override where it must be told more."""
        return [
            PoolingRow(length=length, tasks=tasks, params=self.params, token_ids=tuple(range(1, length + 1)))
            for length in self.lengths
        ]

    # The method.

    @needs("method")
    def test_the_method_has_the_form_of_one(self) -> None:
        check_method(self._method())

    @needs("method")
    @pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
    def test_the_method_gives_a_float32_row_per_sequence(self, dtype: str) -> None:
        hidden = self.hidden(getattr(torch, dtype))
        found = self._pool(hidden)
        assert found.dtype == torch.float32
        assert found.ndim == 2
        assert len(found) == len(self.lengths)
        assert_close(found, self._pool(hidden.float()), tolerance=self.tolerance, name=f"{dtype} as float32")

    @needs("method")
    def test_the_method_gives_each_sequence_what_it_gets_alone(self) -> None:
        parts = self.hidden().split_with_sizes(list(self.lengths))
        alone = [self._method()(part, [len(part)], [0])[0] for part in parts]
        assert_all_close(list(self._pool(self.hidden())), alone, tolerance=self.tolerance, name="batched")

    @needs("method")
    def test_the_method_leaves_the_hidden_states_alone(self) -> None:
        hidden = self.hidden()
        self._pool(hidden)
        assert torch.equal(hidden, self.hidden())

    @needs("method")
    def test_the_method_gives_finite_rows_where_all_tokens_are_left_out(self) -> None:
        found = self._method()(self.hidden(), list(self.lengths), list(self.lengths))
        assert len(found) == len(self.lengths)
        assert bool(found.isfinite().all())

    @needs("method")
    def test_the_method_takes_an_empty_batch(self) -> None:
        found = self._method()(self.hidden()[:0], [], [])
        assert tuple(found.shape) == (0, self._pool(self.hidden()).shape[1])

    @needs("skips")
    def test_tokens_that_are_left_out_take_no_part(self) -> None:
        skips = [min(2, length - 1) for length in self.lengths]
        changed = self.hidden()
        start = 0
        for length, skip in zip(self.lengths, skips, strict=True):
            changed[start : start + skip] += 10.0
            start += length
        found, expected = (self._method()(rows, list(self.lengths), skips) for rows in (changed, self.hidden()))
        assert_close(found, expected, tolerance=self.tolerance, name="with other tokens left out")

    # The pooler.

    def test_the_pooler_answers_known_tasks(self, pooler: Pooler) -> None:
        tasks = pooler.supported_tasks()
        assert isinstance(tasks, frozenset)
        assert tasks
        for name in tasks:
            assert get_task(name, tasks).name == name

    def test_each_prompt_gets_the_tasks_that_it_asks_for(self, pooler: Pooler) -> None:
        tasks = tuple(sorted(pooler.supported_tasks()))
        for asked in (*((task,) for task in tasks), tasks):
            for result in self._run(pooler, asked):
                assert set(result) == set(asked)
        if len(tasks) > 1:
            rows = [row if index % 2 else _asking(row, tasks[:1]) for index, row in enumerate(self.rows(tasks))]
            for row, result in zip(rows, pooler(self.hidden(), PoolingBatch(tuple(rows))), strict=True):
                assert set(_of_tasks(result)) == set(row.tasks)

    @pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
    def test_results_are_finite_float32_on_the_cpu(self, pooler: Pooler, dtype: str) -> None:
        for _, _, value in self._values(pooler, self._run(pooler, dtype=getattr(torch, dtype))):
            assert value.dtype == torch.float32
            assert value.device.type == "cpu"
            assert bool(_dense(value).isfinite().all())

    def test_results_have_the_grain_of_their_task(self, pooler: Pooler) -> None:
        for index, task, value in self._values(pooler, self._run(pooler)):
            assert value.ndim == (1 if task.grain == "sequence" else 2)
            if task.grain == "token":
                assert len(value) <= self.lengths[index]

    def test_results_own_their_memory(self, pooler: Pooler) -> None:
        places: set[int] = set()
        for _, _, value in self._values(pooler, self._run(pooler)):
            part = value.coalesce().values() if value.is_sparse else value
            storage = part.untyped_storage()
            assert storage.nbytes() == part.numel() * part.element_size(), "a result holds on to a larger tensor"
            assert storage.nbytes() == 0 or storage.data_ptr() not in places, "two results share their memory"
            places.add(storage.data_ptr())

    def test_a_batch_equals_each_prompt_alone(self, pooler: Pooler) -> None:
        parts = self.hidden().split_with_sizes(list(self.lengths))
        rows = self.rows(tuple(sorted(pooler.supported_tasks())))
        alone = [pooler(part, PoolingBatch((row,)))[0] for part, row in zip(parts, rows, strict=True)]
        self._compare(pooler, self._run(pooler), alone, "batched")

    def test_the_order_of_prompts_does_not_matter(self, pooler: Pooler) -> None:
        parts = self.hidden().split_with_sizes(list(self.lengths))
        rows = self.rows(tuple(sorted(pooler.supported_tasks())))
        found = pooler(torch.cat(parts[::-1]), PoolingBatch(tuple(rows[::-1])))
        self._compare(pooler, found[::-1], self._run(pooler), "reversed")

    def test_the_pooler_leaves_the_hidden_states_alone(self, pooler: Pooler) -> None:
        hidden = self.hidden()
        pooler(hidden, PoolingBatch(tuple(self.rows(tuple(sorted(pooler.supported_tasks()))))))
        assert torch.equal(hidden, self.hidden())

    # Helpers.

    def _pool(self, hidden: Tensor) -> Tensor:
        return self._method()(hidden, list(self.lengths), [0] * len(self.lengths))

    def _run(
        self, pooler: Pooler, tasks: tuple[str, ...] | None = None, dtype: torch.dtype = torch.float32
    ) -> list[dict[str, Tensor]]:
        rows = self.rows(tuple(sorted(pooler.supported_tasks())) if tasks is None else tasks)
        results = pooler(self.hidden(dtype), PoolingBatch(tuple(rows)))
        assert len(results) == len(rows), "one mapping per prompt"
        return [_of_tasks(result) for result in results]

    def _values(self, pooler: Pooler, results: Sequence[dict[str, Tensor]]) -> list[tuple[int, Task, Tensor]]:
        known = pooler.supported_tasks()
        return [
            (index, get_task(name, known), value)
            for index, result in enumerate(results)
            for name, value in result.items()
        ]

    def _compare(
        self, pooler: Pooler, found: Sequence[dict[str, Tensor]], expected: Sequence[dict[str, Tensor]], name: str
    ) -> None:
        for task in sorted(pooler.supported_tasks()):
            a, b = ([_dense(result[task]) for result in results] for results in (found, expected))
            assert_all_close(a, b, tolerance=self.tolerance, name=f"{task}, {name}")


def _of_tasks(result: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what answers tasks: without the places of tokens, which stand beside their vectors."""
    return {name: value for name, value in result.items() if name != POSITIONS}


def _dense(value: Tensor) -> Tensor:
    return value.to_dense()


def _asking(row: PoolingRow, tasks: tuple[str, ...]) -> PoolingRow:
    return replace(row, tasks=tasks)
