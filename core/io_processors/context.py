"""What the host tells an IO processor: facts of the model once, and of each request. Stable; nothing else is public."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cenote.errors import InvalidRequest
from cenote.types import ModelLimits, PoolingParams, Role

__all__ = ["Encoding", "ProcessorContext", "RequestContext"]

T = TypeVar("T")


def _no_media(url: str) -> bytes:
    raise InvalidRequest("Nothing is fetched here: this host loads no media.", param="data")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorContext:
    """Facts that hold as long as a processor lives.

    Attributes:
        name: the processor's name, as requests give it.
        model: name of the model, as clients know it.
        limits: what the model accepts and gives.
        supported_tasks: tasks of the model, sorted.
        default_task: the task of a request that names none.
        labels: names of the values of `classify`, in order; empty for models that do not classify.
        settings: the operator's settings for this processor: an instance of its `Settings` where it has that, else the
            mapping as it was given.
        token_texts: from token ids to their texts in the vocabulary; an empty list where the model has no tokenizer.
        count_tokens: from a text to the number of its tokens, special tokens included. Of a request's own prompts, the
            `count_tokens` of `RequestContext` tells it.
        load_media: from a `data:`, `http(s):` or `file:` address to bytes, as far as the operator allows it; blocking.
            Raises InvalidRequest where it is not allowed or does not work.
        log: a logger of its own.
    """

    name: str
    model: str
    limits: ModelLimits
    supported_tasks: tuple[str, ...]
    default_task: str
    labels: tuple[str, ...] = ()
    settings: Any = field(default_factory=dict)
    token_texts: Callable[[Sequence[int]], list[str]] = lambda ids: []
    count_tokens: Callable[[str], int] = len
    load_media: Callable[[str], bytes] = _no_media
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("cenote.io_processors"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a client wants numbers; what a processor's answer does with it is the processor's business.

    Attributes:
        encoding_format: `float`, `base64`, `bytes` or `bytes_only`.
        embed_dtype: type of the numbers in base64 and bytes.
        endianness: `native`, `big` or `little`.
        output_dtype: precision of embeddings (an output codec), or None.
    """

    encoding_format: str = "float"
    embed_dtype: str = "float32"
    endianness: str = "native"
    output_dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """Facts of one request. The same object is given to every hook that is called for it.

    Attributes:
        request_id: unique in the process, so that it may be a key: the id of the answer, which clients choose as they
            like and equal ones at once too, and random digits behind it.
        params: the caller's parameters.
        role: what the caller says that the inputs are for.
        encoding: how the caller wants numbers.
        state: kept by the processor between its hooks of this request; never shared with another one.
        deadline: time of `time.monotonic` at which nobody waits any more, or None.
        is_cancelled: tells whether the caller is gone; long work in a sync hook asks now and then.
        in_thread: runs a function in the processor's own threads and awaits its result.
        count_tokens: from a text to the number of tokens that it becomes as a prompt of this request: with the texts in
            front that its parameters, its role or the model's own defaults ask for, special tokens included, uncut.
    """

    request_id: str
    params: PoolingParams
    role: Role | None = None
    encoding: Encoding = Encoding()
    state: dict[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    is_cancelled: Callable[[], bool] = lambda: False
    in_thread: Callable[..., Awaitable[Any]]
    count_tokens: Callable[[str], int] = len
