"""What the routes that tokenise share: the model, bounds, and the work itself in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request

from cenote.engine.token_view import TokenView, view_tokens
from cenote.errors import InvalidRequest, ModelNotFound
from cenote.server.api_error import ApiError
from cenote.server.models import ServedModel
from cenote.server.state import state_of
from cenote.server.text import shorten
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["check_characters", "check_ids", "named_model", "tokenize_all", "vocabulary_words"]

T = TypeVar("T")

#: Characters, or token ids, that one request may send to these routes: about a second of work.
_MOST = 1_000_000


def named_model(request: Request, name: str | None) -> ServedModel:
    """Return the model of this name.

    Raises:
        ApiError: 404 with `param` and all names, as section 8.7 of http-api.md says of these routes.
    """
    table = state_of(request).models
    try:
        return table.resolve(name)
    except ModelNotFound as exc:
        names = shorten(", ".join(table.names), 2000)
        text = f"The model {shorten(repr(name))} does not exist. Served: {names}."
        raise ApiError(404, "NotFoundError", text, param="model") from exc


def check_characters(texts: Sequence[str], param: str) -> None:
    """Refuse more characters than one request may have tokenised.

    Raises:
        InvalidRequest: as said.
    """
    if (found := sum(map(len, texts))) > _MOST:
        raise InvalidRequest(f"{param} has {found} characters; at most {_MOST} are tokenised at once.", param=param)


def check_ids(model: ServedModel, prompts: Sequence[Sequence[int]], param: str) -> None:
    """Refuse ids that the model's vocabulary lacks, and more of them than one request may have decoded.

    Raises:
        InvalidRequest: as said.
    """
    if (found := sum(map(len, prompts))) > _MOST:
        raise InvalidRequest(f"{param} has {found} token ids; at most {_MOST} are decoded at once.", param=param)
    largest = max(model.engine.limits.max_token_id, len(model.engine.get_tokenizer()) - 1)
    wrong = next((value for ids in prompts for value in ids if not 0 <= value <= largest), None)
    if wrong is not None:
        text = f"Token id {wrong} is out of vocabulary: the model {model.name!r} knows ids 0 to {largest}."
        raise InvalidRequest(text, param=param)


async def tokenize_all(
    model: ServedModel,
    prompts: Sequence[Prompt],
    *,
    role: Role | None,
    prompt_name: str | None,
    options: TokenizationOptions,
    read: Callable[[TokenView], T],
) -> list[T]:
    """Tokenise prompts as the model's other routes do, in a thread.

    Args:
        model: whose tokenizer.
        prompts: texts or conversations.
        role: what they are for.
        prompt_name: stored prompt to put in front.
        options: special tokens, and how conversations become text.
        read: turns tokens into what the route answers with, in the same thread.

    Raises:
        InvalidRequest: a prompt cannot be tokenised.
    """
    params = PoolingParams(prompt_name=prompt_name, lora=model.lora)

    def work() -> list[T]:
        views = (view_tokens(model.engine, each, role=role, params=params, options=options) for each in prompts)
        return [read(view) for view in views]

    return await asyncio.to_thread(work)


def vocabulary_words(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return how ids are written in the vocabulary; what it lacks is an empty text."""
    return [word or "" for word in tokenizer.convert_ids_to_tokens(list(ids))]
