"""One prompt on its way through the engine."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cenote.engine.observer import CallClock
from cenote.errors import InvalidRequest, MediaUnavailable
from cenote.types import PoolingParams, PoolingRow, PreparedInput, Role, TokenizationOptions

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PROMPT_ERRORS", "EngineRequest", "PromptError", "RequestOptions"]

#: What may be wrong with one prompt, and leaves the others of a call alone where the caller wants that.
PromptError: TypeAlias = InvalidRequest | MediaUnavailable
PROMPT_ERRORS = (InvalidRequest, MediaUnavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """What is asked of a prompt.

    Attributes:
        task: the task, checked already.
        also: further tasks that the same pass answers, checked already.
        params: its parameters, checked already.
        tokenization: how text becomes tokens.
        role: what the input is for.
        priority: lower runs sooner.
        overlap_tokens: tokens of context that windows over a long document share (late chunking); None is the default
            of `cut_windows`.
    """

    task: str
    also: tuple[str, ...] = ()
    params: PoolingParams = field(default_factory=PoolingParams)
    tokenization: TokenizationOptions = field(default_factory=TokenizationOptions)
    role: Role | None = None
    priority: int = 0
    overlap_tokens: int | None = None


@dataclass(slots=True, eq=False)
class EngineRequest:
    """A tokenised prompt and the future of its result: task name to tensor."""

    prompt: PreparedInput
    options: RequestOptions
    future: Future[dict[str, Tensor]] = field(default_factory=Future)
    #: Length in tokens, which the queue asks for many times.
    tokens: int = field(init=False)
    #: Estimated work; where nobody says, that of its tokens.
    cost: float = 0.0
    #: Takes note of when its call runs, where somebody wants to know.
    clock: CallClock | None = None
    #: Order of arrival, and number of the call that brought it; set by the queue.
    arrival: int = 0
    call: int = 0
    #: Its call is little work, which is not kept waiting by much; set by the queue.
    is_light: bool = False
    #: Its call is larger than the operator's limits; set by the waiting line.
    is_large_call: bool = False
    #: Nobody waits for its result any more.
    is_dropped: bool = False

    def __post_init__(self) -> None:
        self.tokens = len(self.prompt)
        self.cost = self.cost or float(self.tokens)

    @property
    def lora(self) -> str | None:
        """Return the name of the low-rank adapter that it runs with."""
        return self.prompt.lora or self.options.params.lora

    def row(self) -> PoolingRow:
        """Return what the pooler must know."""
        return PoolingRow(
            length=self.tokens,
            tasks=(self.options.task, *self.options.also),
            params=self.options.params,
            pooling_skip=self.prompt.pooling_skip,
            role=self.options.role,
            token_ids=self.prompt.token_ids,
            spans=self.prompt.spans,
            kept=self.prompt.kept,
        )
