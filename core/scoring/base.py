"""What a way of scoring is: which prompts the model must read, and how their results become scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cenote.errors import InvalidRequest
from cenote.types import Prompt, Role

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "TOKEN_SIMILARITIES",
    "Pair",
    "ScoreInput",
    "Scorer",
    "check_scorer_type",
    "further_tasks",
    "pair_up",
]

#: How the vectors of tokens are compared, by the names in files of models: PyLate and sentence-transformers 6.2 say
#: MaxSim for the sum and meanmaxsim for the mean, colbert-ai l2 for distances.
TOKEN_SIMILARITIES = ("MaxSim", "maxsim", "meanmaxsim", "l2")
#: Places of a query and of a document in their lists.
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreInput:
    """One prompt that the model must read.

    Attributes:
        prompt: what to read.
        task: what to compute of it.
        side: which text it is.
        role: what it is for, where the model treats queries and documents differently.
    """

    prompt: Prompt
    task: str
    side: Literal["query", "document", "pair"]
    role: Role | None = None


class Scorer(Protocol):
    """A way of scoring; an entry point of the group `cenote.scorers` names an object of this form.

    One that depends on the similarity which a model's files name has `by_similarity(name) -> Scorer`. One that compares
    several results of a text has `also`, a tuple of further tasks: the pass that answers `task` answers them, too.
    """

    #: Task that a model must support.
    task: str
    #: The stored prompts or markers of queries and documents belong to this way of scoring.
    by_role: bool

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return what the model must read for some pairs.

        Args:
            queries: each with a text, media or both.
            documents: the same.
            pairs: places of a query and of a document.
        """
        ...

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return [len(pairs)] float32, all finite.

        What a plugin raises here or in `inputs` is an error of the request that names the plugin.

        Args:
            results: of the inputs, in their order; with `also`, each is a mapping from task to tensor.
            queries: number of queries.
            pairs: as given to `inputs`.

        Raises:
            InvalidRequest: these texts cannot be scored; the text goes to the client.
        """
        ...


def check_scorer_type(value: Any) -> None:
    """Refuse what is no way of scoring.

    Raises:
        TypeError: it is a class in place of an object, or lacks an attribute or a method of `Scorer`.
    """
    if isinstance(value, type):
        raise TypeError(f"a scorer is an object; {value.__name__} is a class")
    if not isinstance(getattr(value, "task", None), str):
        raise TypeError(f"a scorer names its task as a string, which {type(value).__name__} does not")
    if not isinstance(getattr(value, "by_role", None), bool):
        raise TypeError(f"a scorer says by_role = True or False, which {type(value).__name__} does not")
    also = getattr(value, "also", ())
    if not isinstance(also, tuple) or not all(isinstance(name, str) for name in also):
        raise TypeError(f"a scorer names further tasks as a tuple of strings, which {type(value).__name__} does not")
    for name in ("inputs", "scores"):
        if not callable(getattr(value, name, None)):
            raise TypeError(f"a scorer has a method {name}, which {type(value).__name__} has not")


def further_tasks(scorer: Scorer) -> tuple[str, ...]:
    """Return the tasks that a scorer needs beside its first."""
    found: tuple[str, ...] = getattr(scorer, "also", ())
    return found


def pair_up(queries: int, documents: int, names: tuple[str, str] = ("data_1", "data_2")) -> list[Pair]:
    """Pair queries with documents: one with each of many, or one by one.

    Args:
        queries: how many there are.
        documents: how many there are.
        names: of the caller's arguments, for messages.

    Raises:
        InvalidRequest: nothing on a side, or numbers that do not fit.
    """
    if not queries or not documents:
        side = names[1] if queries else names[0]
        raise InvalidRequest(f"{side} is empty; give at least one text.", param=side)
    if queries == 1:
        return [(0, index) for index in range(documents)]
    if queries != documents:
        raise InvalidRequest(
            f"{queries} queries cannot be paired with {documents} documents. Give one query for all documents, or as "
            "many queries as documents.",
            param=names[0],
        )
    return [(index, index) for index in range(queries)]
