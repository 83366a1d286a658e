"""What inputs are for, where a request says it in a way that would have no effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cenote.engine.token_view import view_tokens
from cenote.errors import InvalidRequest
from cenote.server.text import show
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["check_role", "named_role"]

_PROBE = Prompt(text="a")
#: What tasks and adapters are for whose names end in these words, as those of jina-embeddings do.
_ROLES: Mapping[str, Role] = {"query": "query", "passage": "document", "document": "document"}


def named_role(name: str | None) -> Role | None:
    """Return what the name of a task or an adapter says its inputs are for, or None where it says nothing."""
    return _ROLES.get((name or "").rpartition(".")[2])


def check_role(engine: AsyncLLM, role: Role | None, prompts: Sequence[Prompt], params: PoolingParams) -> None:
    """Refuse a role that an adapter's name contradicts, or that stands for a text in front of token ids.

    Args:
        engine: of the model.
        role: what the inputs are for.
        prompts: the inputs.
        params: which adapter and prompt they get.

    Raises:
        InvalidRequest: as said; the role would have no effect, and the results be wrong without a word.
    """
    said = named_role(params.lora)
    if role is not None and said not in (None, role):
        text = (
            f"The adapter {show(params.lora)} is for inputs of another kind than input_type ({role}); send one of them."
        )
        raise InvalidRequest(text, param="input_type")
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
