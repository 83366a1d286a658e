"""What every result of `LLM` says, and raw results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from cenote.errors import CenoteError, ShapeError
from cenote.outputs.positions import Places

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OneResult", "PoolingOutput", "PoolingRequestOutput", "RequestError", "RequestOutput"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why the engine has no result for a prompt.

    Attributes:
        code: HTTP status that says the same.
        message: what happened, and what to do.
        retryable: the same request may succeed later.
        param: the request's field to blame, or None.
        kind: class of the error; None where it was none of cenote's.
    """

    code: int
    message: str
    retryable: bool = False
    param: str | None = None
    kind: type[CenoteError] | None = None


class OneResult(Mapping[str, "Tensor"]):
    """`{task: data}`, in 48 bytes; a dict of one entry takes 184.

    Attributes:
        task: the only task of a pass.
        data: its result.
    """

    __slots__ = ("data", "task")

    def __init__(self, task: str, data: Tensor) -> None:
        self.task = task
        self.data = data

    def __getitem__(self, task: str) -> Tensor:
        if task != self.task:
            raise KeyError(task)
        return self.data

    def __iter__(self) -> Iterator[str]:
        yield self.task

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(eq=False)
class PoolingOutput:
    """One raw result.

    Attributes:
        data: ordinary float32 tensor on the CPU: `embed` [dim], `token_embed` [tokens, dim], `classify` [labels],
            `token_classify` [tokens, labels], with STEP pooling only the rows and columns kept, and [tokens] of a model
            without labels, `sparse_embed` a sparse row [vocabulary size]; empty after an error.
        by_task: every result of the pass by task, `data` among them; empty after an error.
        positions: of `token_embed`, the place in `prompt_token_ids` of the token that each vector belongs to; for a
            patch `[row, column]` of the image's tokens, or `[image, row, column]` where the prompt has several images
            or frames. With `pool_factor`, the places of the tokens that were averaged. None for other tasks, and where
            the model's pooler does not say.
    """

    data: Tensor = field(repr=False)
    by_task: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    positions: Places | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PoolingOutput) and self.data.equal(other.data)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PoolingOutput(data=<tensor {list(self.data.shape)}>)"


@dataclass(kw_only=True)
class RequestOutput(Generic[T]):
    """What every result says of its prompt.

    Attributes:
        request_id: unique within the engine, or derived from the id the client gave.
        outputs: the result.
        prompt_token_ids: what the model saw, special tokens included; for a pair whose sides were read one by one,
            those of the query, the padding id, and those of the document.
        num_cached_tokens: always 0, kept for compatibility.
        finished: always True, pooling has no partial results.
        truncated_tokens: tokens that truncation removed; a lower bound where the rest was never tokenised.
        error: why the engine has no result, or None; the result is empty then.
    """

    request_id: str
    outputs: T
    prompt_token_ids: list[int] = field(repr=False)
    num_cached_tokens: int = 0
    finished: bool = True
    truncated_tokens: int = 0
    error: RequestError | None = None


class PoolingRequestOutput(RequestOutput[PoolingOutput]):
    """Raw result of one prompt."""


class TypedOutput(RequestOutput[T]):
    """A result made from a raw one."""

    @classmethod
    def convert(cls, base: PoolingRequestOutput, outputs: T) -> Self:
        """Return the raw result's facts with another payload."""
        return cls(
            request_id=base.request_id,
            outputs=outputs,
            prompt_token_ids=base.prompt_token_ids,
            num_cached_tokens=base.num_cached_tokens,
            finished=base.finished,
            truncated_tokens=base.truncated_tokens,
            error=base.error,
        )


def one_row(base: PoolingRequestOutput, what: str) -> list[Any]:
    """Return the numbers of a result that is one row; empty after an error.

    Raises:
        ShapeError: the data has another number of dimensions.
    """
    if base.error is not None:
        return []
    data = base.outputs.data
    if data.ndim != 1:
        raise ShapeError(f"{what} is one row of numbers; the data has shape {list(data.shape)}.")
    return data.tolist()
