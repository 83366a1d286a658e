"""One call of a model from the command line: load it, run it, and say which input it cannot take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from cenote.cli.engine_options import engine_options, load_llm
from cenote.cli.texts import model_guess, split_model, texts_after_dashes
from cenote.errors import InvalidRequest, NonFiniteResult, PromptTooLong

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["CUT", "check_results", "loaded_model", "naming_inputs"]

T = TypeVar("T")

#: Tokenisation arguments of --truncate.
CUT = {"truncate_prompt_tokens": -1}


@contextlib.contextmanager
def loaded_model(
    ctx: typer.Context,
    words: Sequence[str] | None,
    model: str | None,
    options: Mapping[str, Any],
    read: Callable[[list[str]], T],
    *,
    reads_texts: bool = True,
) -> Iterator[tuple[LLM, T]]:
    """Read the inputs of a command, load its model, and give both.

    Args:
        ctx: of the command, which is a `TextCommand`.
        words: its positional arguments.
        model: what `--model` named.
        options: flags of the engine.
        read: makes the inputs of the words that are no model; they are checked before the model is loaded.
        reads_texts: the words may be texts, so that errors of `read` say which of them was taken for the model.
    """
    wanted = engine_options(options)
    named, texts = split_model(words or [], model)
    guessed = named if model is None else None
    with model_guess(guessed if reads_texts else None):
        inputs = read(texts + texts_after_dashes(ctx))
    with model_guess(guessed):
        llm = load_llm(named, wanted)
    with llm:
        yield llm, inputs


@contextlib.contextmanager
def naming_inputs(llm: LLM, task: str, name: Callable[[int], str], first_image: int | None = None) -> Iterator[None]:
    """Say in errors which input is to blame, as the user gave it: the engine counts its own prompts, from 0.

    Args:
        llm: the model.
        task: what is asked of it.
        name: of the engine's prompt at a place.
        first_image: place of the first image, which no flag cuts.
    """
    try:
        yield
    except PromptTooLong as exc:
        if first_image is not None and (exc.index or 0) >= first_image:
            exc.add_note(f"That is {name(exc.index or 0)}.")
            raise
        text = f"{name(exc.index or 0)} has more than the {llm.engine.max_tokens(task)} tokens that the model takes. "
        text += "Shorten it, or cut over-long texts with --truncate."
        raise PromptTooLong(text, param=exc.param) from exc
    except InvalidRequest as exc:
        if exc.index is not None:
            where = name(exc.index)
            exc.add_note(f"That is {where[0].lower()}{where[1:]}.")
        raise


def check_results(outputs: Sequence[Any], name: Callable[[int], str]) -> None:
    """Refuse to show results of which one is missing.

    Raises:
        NonFiniteResult: the model failed with an input.
    """
    for place, output in enumerate(outputs):
        if output.error is not None:
            raise NonFiniteResult(f"{name(place)}: {output.error.message}")
