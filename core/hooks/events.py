"""What hooks are told: facts of models, servers, requests and batches. Plain data; no text of a request is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["BatchDone", "Event", "ModelLoaded", "RequestDone", "ServerStarted", "ServerStopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoaded:
    """A model is in memory and takes requests.

    Attributes:
        model: its name, as served.
        architecture: the string by which its adapter was chosen.
        adapter: name of the adapter's spec.
        distribution: who offers the adapter, with the version.
        tasks: what the model can do, sorted.
        device: torch device string.
        seconds: time of loading.
    """

    model: str
    architecture: str
    adapter: str
    distribution: str
    tasks: tuple[str, ...]
    device: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted:
    """A server accepts connections.

    Attributes:
        url: where.
        models: served names, the default one first.
        version: version of cenote.
    """

    url: str
    models: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopping:
    """A server answered its last request; the process is about to end.

    Attributes:
        models: served names, the default one first.
        seconds: time since it was started.
    """

    models: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDone:
    """What one HTTP request asked of a model has ended; the answer is written next.

    Attributes:
        model: served name of the model.
        task: the task; `score` for pairs.
        request_id: as in the header `X-Request-Id`.
        outcome: `stop` is success; `abort`: the client left, the deadline passed or the server stopped; `refused`: too
            many requests wait; `error`: the request was wrong or the model failed.
        seconds: from the call of the engine to its results.
        tokenizing: seconds until all prompts were tokenised; 0 unless the outcome is `stop`, like all that follow.
        queueing: seconds that they then waited for the first batch.
        computing: seconds from the first batch to the end of the last one.
        items: results.
        prompt_tokens: tokens of each prompt that the model read.
        truncated_tokens: tokens that truncation removed.
    """

    model: str
    task: str
    request_id: str
    outcome: Literal["stop", "abort", "refused", "error"]
    seconds: float
    tokenizing: float = 0.0
    queueing: float = 0.0
    computing: float = 0.0
    items: int = 0
    prompt_tokens: tuple[int, ...] = ()
    truncated_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Return the tokens of all prompts together."""
        return sum(self.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """A batch ran.

    Attributes:
        model: name of the model.
        requests: prompts in it, a part of a long one counting as one.
        tokens: their tokens.
        budget: tokens that it might have had; one long prompt may have more.
        seconds: time of the forward and of pooling.
    """

    model: str
    requests: int
    tokens: int
    budget: int
    seconds: float


#: Anything that is told.
Event: TypeAlias = ModelLoaded | ServerStarted | ServerStopping | RequestDone | BatchDone
