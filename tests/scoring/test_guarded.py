"""What a way of scoring of a plugin raises, or returns wrongly, names the plugin and ends nothing else."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from cenote.errors import InvalidRequest, ScorerError
from cenote.registry import Registry
from cenote.scoring import Scorer, choose_scorer
from cenote.types import Prompt


class Way:
    """Scores with what it is given."""

    task = "embed"
    by_role = False

    def __init__(self, scores: Any, inputs: Any = None) -> None:
        self._scores, self._inputs = scores, inputs

    def inputs(self, queries: Any, documents: Any, pairs: Any) -> Any:
        return self._inputs

    def scores(self, results: Any, queries: int, pairs: Any) -> Any:
        return self._scores()


def chosen(way: Way) -> Scorer:
    registry = Registry([], environment={})
    registry.register("cenote.scorers", "mine", way, distribution="cenote-acme", version="1.2")
    return choose_scorer("mine", ("embed",), "embed", registry)


def _raise(error: BaseException) -> None:
    raise error


class _Base(BaseException):
    pass


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (lambda: sys.exit(3), "failed (SystemExit)"),
        (lambda: _raise(_Base()), "failed (_Base)"),
        (lambda: _raise(ValueError("/secret/path")), "failed (ValueError)"),
        (lambda: torch.zeros(3), "returned shape (3,) for 2 pairs, not [2]"),
        (lambda: [0.5, 0.5], "returned list, not a tensor"),
    ],
)
def test_what_fails_is_an_error_that_names_the_plugin(scores: Any, text: str) -> None:
    with pytest.raises(ScorerError) as caught:
        chosen(Way(scores)).scores([], 1, [(0, 0), (0, 1)])
    assert str(caught.value) == f"The scorer 'mine' of cenote-acme 1.2 {text}."
    assert (caught.value.plugin, caught.value.distribution) == ("mine", "cenote-acme")


@pytest.mark.parametrize("inputs", [[], 3, ["a"]])
def test_inputs_that_are_none_are_refused(inputs: Any) -> None:
    with pytest.raises(ScorerError, match="did not return a list of inputs"):
        chosen(Way(lambda: None, inputs)).inputs([Prompt(text="a")], [Prompt(text="b")], [(0, 0)])


def test_a_refusal_of_the_plugin_stays_one() -> None:
    with pytest.raises(InvalidRequest, match="not these"):
        chosen(Way(lambda: _raise(InvalidRequest("not these")))).scores([], 1, [(0, 0)])


def test_what_works_gives_its_scores() -> None:
    assert chosen(Way(lambda: torch.ones(1))).scores([], 1, [(0, 0)]).tolist() == [1.0]


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (torch.tensor([1.0, float("nan")]), "returned NaN or infinity"),
        (torch.tensor([float("inf"), 1.0]), "returned NaN or infinity"),
        (torch.tensor([1, 2]), "returned int64 numbers, not floats"),
    ],
)
def test_scores_that_are_no_finite_floats_are_refused(scores: Any, text: str) -> None:
    with pytest.raises(ScorerError, match=text):
        chosen(Way(lambda: scores)).scores([], 1, [(0, 0), (0, 1)])
