"""What `/v1/embeddings` and `/pooling` answer, for the OpenAPI document."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from cenote.server.item_errors import ItemError
from cenote.server.score_reply import ScoreUsage

__all__ = ["EmbeddingResponse", "PoolingResponse"]

Vector = list[float] | str
#: Where the tokens of a vector stand: a place in the prompt, or [row, column] of an image, with the number of the image
#: in front where there are several.
Place = int | list[int]


class SparseEntry(TypedDict):
    """A sparse embedding: its terms by ascending id."""

    indices: list[int]
    values: list[float]
    tokens: NotRequired[list[str]]


class FormEntry(TypedDict):
    """One input: the forms of its embedding, or with `on_error: "item"` why there are none."""

    index: int
    object: str
    embedding: NotRequired[Vector | dict[str, Vector]]
    embeddings: NotRequired[list[list[float]] | dict[str, list[list[float]] | str] | str]
    sparse: NotRequired[SparseEntry]
    multi: NotRequired[list[list[float]] | str]
    shape: NotRequired[list[int]]
    positions: NotRequired[list[Place] | list[list[Place]] | None]
    error: NotRequired[ItemError]


class PoolingEntry(FormEntry):
    """One input: the result of the task, or the forms that `outputs` names."""

    data: NotRequired[list[float] | list[list[float]] | SparseEntry | str]


class EmbeddingResponse(TypedDict):
    """Answer of `/v1/embeddings`."""

    id: str
    object: str
    created: int
    model: str
    data: list[FormEntry]
    usage: ScoreUsage


class PoolingResponse(TypedDict):
    """Answer of `/pooling`."""

    id: str
    object: str
    created: int
    model: str
    data: list[PoolingEntry]
    usage: ScoreUsage
