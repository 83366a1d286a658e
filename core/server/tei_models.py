"""Which model answers a request of text-embeddings-inference's dialect, which itself names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from cenote.server.models import ServedModel
from cenote.server.state import ServerState, state_of
from cenote.server.tei_errors import tei_error
from cenote.server.text import shorten
from cenote.types import Prompt

__all__ = ["check_given", "check_prompts", "check_size", "is_offered", "model_for_task", "model_that"]


def is_offered(state: ServerState, task: str) -> bool:
    """Return whether a served model has a task: the routes of this dialect exist anyway, but are not published."""
    return any(task in model.engine.supported_tasks for model in state.models)


def model_for_task(request: Request, name: str | None, task: str) -> ServedModel:
    """Return the model of a name, or else the first one, that has a task.

    Raises:
        ModelNotFound: nothing has this name.
        ApiError: 424, as TEI answers what its model cannot do.
    """
    table = state_of(request).models
    candidates = [table.resolve(name)] if name else list(table)
    return model_that([each for each in candidates if task in each.engine.supported_tasks], candidates, task)


def model_that(able: Sequence[ServedModel], asked: Sequence[ServedModel], wanted: str) -> ServedModel:
    """Return the first model that is able to answer.

    Args:
        able: models that can do what is wanted.
        asked: models that were to choose from.
        wanted: what that is, in a few words.

    Raises:
        ApiError: 424, none is.
    """
    if able:
        return able[0]
    tasks = "; ".join(f"{each.name}: {', '.join(each.engine.supported_tasks)}" for each in asked)
    raise tei_error("Backend", f"No model asked for offers {wanted}. Tasks here: {shorten(tasks, 1000)}.")


def check_size(request: Request, count: int, name: str) -> None:
    """Refuse an empty batch, and one that is larger than the operator allows.

    Raises:
        ApiError: 400 or 413.
    """
    most = state_of(request).config.max_items_per_request
    if not count:
        raise tei_error("Empty", f"{name} is empty; give at least one.", param=name)
    if count > most:
        text = f"{name} has {count} elements; at most {most} are allowed (max_client_batch_size of /info)."
        raise tei_error("Validation", text, status=413, param=name)


def check_given(request: Request, given: Any, name: str) -> None:
    """Refuse a batch that is too large before its items are looked at; a list of numbers is one item.

    Args:
        request: of the client.
        given: the field as the body has it.
        name: of the field.

    Raises:
        ApiError: 413.
    """
    if isinstance(given, list) and given and type(given[0]) is not int:
        check_size(request, len(given), name)


def check_prompts(request: Request, prompts: Sequence[Prompt], name: str = "inputs") -> None:
    """Refuse what `check_size` refuses, and empty inputs.

    Raises:
        ApiError: 400 or 413.
    """
    check_size(request, len(prompts), name)
    for index, prompt in enumerate(prompts):
        if not prompt.text and not prompt.text_pair and not prompt.token_ids:
            raise tei_error("Empty", f"{name}[{index}] is empty.", param=name)
