"""What a model's tokenizer makes of ids and texts, without running the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cenote.adapters.base import PoolingModel
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["ANY_LENGTH", "count_tokens", "token_texts", "tokenizer_of"]

#: Tokens of the longest prompt to look at: more than characters are accepted, and no model's own limit.
ANY_LENGTH = 1 << 24


def tokenizer_of(model: PoolingModel) -> Any:
    """Return transformers' tokenizer of a model.

    Raises:
        UnsupportedTask: the model's adapter has none.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        raise UnsupportedTask("This model has no tokenizer of transformers.")
    return tokenizer


def token_texts(model: PoolingModel, ids: Sequence[int]) -> list[str]:
    """Return the texts of token ids in the vocabulary; an empty list where the adapter has no tokenizer.

    An id beyond the tokenizer's vocabulary, as the padded output of a language model has, is an empty text.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return []
    return [text or "" for text in tokenizer.convert_ids_to_tokens(list(ids))]


def count_tokens(
    model: PoolingModel,
    text: str,
    role: Role | None = None,
    params: PoolingParams | None = None,
    tokenization: TokenizationOptions | None = None,
) -> int:
    """Return how many tokens a text becomes, the special ones and those of a stored prompt included.

    Args:
        model: whose tokens.
        text: of any length.
        role: what the text is for.
        params: name the text in front of it.
        tokenization: how it becomes tokens; what cuts or pads is left out.
    """
    asked = tokenization or TokenizationOptions()
    options = replace(asked, max_tokens=ANY_LENGTH, truncate_prompt_tokens=None, pad_to_limit=False)
    try:
        return len(model.prepare(Prompt(text=text), role, params or PoolingParams(), options))
    except InvalidRequest:
        if text.strip():
            raise
        return 0  # models without special tokens refuse a text without tokens
