"""What inputs are for, where a request says it in a way that would have no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cenote.engine.token_view import view_tokens
from cenote.errors import InvalidRequest
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["check_role"]

_PROBE = Prompt(text="a")


def check_role(engine: AsyncLLM, role: Role | None, prompts: Sequence[Prompt], params: PoolingParams) -> None:
    """Refuse token ids where what they are for stands for a text in front of them.

    Raises:
        InvalidRequest: as said; the text would be left out without a word, and the results be wrong.
    """
    if role is None or params.prompt is not None or params.prompt_name is not None:
        return
    place = next((place for place, prompt in enumerate(prompts) if prompt.token_ids is not None), None)
    if place is None or not _has_prompt(engine, role, params):
        return
    text = (
        f"Input {place} is token ids, and for a {role} this model has a prompt that only goes in front of text. Send "
        "text, or put the prompt's ids in front yourself and leave input_type out."
    )
    raise InvalidRequest(text, param="input_type")


def _has_prompt(engine: AsyncLLM, role: Role, params: PoolingParams) -> bool:
    options = TokenizationOptions()
    given = view_tokens(engine, _PROBE, role=role, params=params, options=options)
    bare = view_tokens(engine, _PROBE, role=None, params=replace(params, prompt=""), options=options)
    return given.ids != bare.ids
