"""`tokenization_kwargs` of the offline methods."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from cenote.errors import InvalidRequest, WrongType
from cenote.types import ChatOptions, TokenizationOptions

__all__ = ["tokenization_options"]

_log = logging.getLogger(__name__)

#: Understood by the contract, and without effect on models that pool.
_WITHOUT_EFFECT = ("needs_detokenization",)


def tokenization_options(given: Mapping[str, Any] | None, chat: ChatOptions | None = None) -> TokenizationOptions:
    """Read the keyword arguments of tokenisation.

    `truncation=True` keeps the model's limit, `max_length` with it keeps that many tokens.

    Args:
        given: `add_special_tokens`, `do_lower_case`, `truncate_prompt_tokens`, `truncation_side`, `truncation`,
            `max_length`, `max_tokens_per_query`, `max_tokens_per_doc`, `padding`; others are ignored with a warning.
        chat: how templates are filled.

    Raises:
        InvalidRequest: a value has the wrong type, or asks for what is not offered.
    """
    if given is not None and not isinstance(given, Mapping):
        text = f"tokenization_kwargs must be a mapping, not {type(given).__name__}."
        raise WrongType(text, param="tokenization_kwargs")
    if chat is not None and not isinstance(chat, ChatOptions):
        raise WrongType(f"chat must be ChatOptions, not {type(chat).__name__}.", param="chat")
    values = dict(given or {})
    padding = values.pop("padding", None)
    if padding not in (None, False, "do_not_pad", "max_length"):
        text = f"padding={padding!r} is not offered: batches have no padding. max_length fills prompts up to the limit."
        raise InvalidRequest(text, param="padding")
    keep = _kept(values)
    side: Literal["left", "right"] | None = values.pop("truncation_side", None)
    if side not in (None, "left", "right"):
        raise InvalidRequest(f"truncation_side must be 'left' or 'right', not {side!r}.", param="truncation_side")
    special = _flag(values, "add_special_tokens")
    options = TokenizationOptions(
        add_special_tokens=special,
        truncate_prompt_tokens=keep,
        truncation_side=side,
        pad_to_limit=padding == "max_length",
        lower_case=_flag(values, "do_lower_case") or False,
        max_tokens_per_query=_count(values, "max_tokens_per_query"),
        max_tokens_per_doc=_count(values, "max_tokens_per_doc"),
        chat=chat,
    )
    for name in values:
        if name not in _WITHOUT_EFFECT:
            _log.warning("tokenization_kwargs has no %r; it is ignored", name)
    return options


def _kept(values: dict[str, Any]) -> int | None:
    truncation, length = values.pop("truncation", None), values.pop("max_length", None)
    keep = values.pop("truncate_prompt_tokens", None)
    if truncation in (True, "longest_first"):
        keep = keep if keep is not None else -1 if length is None else length
    elif truncation not in (None, False, "do_not_truncate"):
        raise InvalidRequest(f"truncation={truncation!r} is not offered; use True or False.", param="truncation")
    elif length is not None:
        raise InvalidRequest("max_length means nothing without truncation=True.", param="max_length")
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < -1):
        text = f"truncate_prompt_tokens must be a whole number from -1 up, not {keep!r}."
        raise InvalidRequest(text, param="truncate_prompt_tokens")
    return keep


def _flag(values: dict[str, Any], name: str) -> bool | None:
    value = values.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise WrongType(f"{name} must be true or false, not {value!r:.80}.", param=name)
    return value


def _count(values: dict[str, Any], name: str) -> int | None:
    """Read a limit of tokens; 0 is none."""
    value = values.pop(name, None)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise InvalidRequest(f"{name} must be a whole number from 0 up, not {value!r}.", param=name)
    return value or None
