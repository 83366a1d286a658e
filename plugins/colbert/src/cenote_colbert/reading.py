"""Make the two ways of reading texts from a model's settings and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping

from cenote.adapters.stack import TextStack
from cenote.config import Resolved
from cenote.errors import CheckpointError
from cenote.inputs import TextEncoder
from cenote.inputs.specials import SpecialTokens, find_special_tokens
from cenote.types import Role
from cenote_colbert.settings import LateSettings
from cenote_colbert.sides import Filling, Side, TokenChoice
from cenote_colbert.tokens import dropped_ids, filling_id, marked_specials, token_id

__all__ = ["make_sides"]


def make_sides(stack: TextStack, settings: LateSettings, lengths: Mapping[Role, Resolved[int]]) -> dict[Role, Side]:
    """Return how texts are read, by what they are for.

    Raises:
        CheckpointError: a word of the settings is no token, a length leaves no room for a text, or the tokenizer cannot
            do what they ask for.
    """
    rust = stack.tokenizer.backend_tokenizer
    # A saved tokenizer pads and cuts as in its last call, a query's perhaps. transformers sets both with every call.
    rust.no_padding()
    rust.no_truncation()
    plain = find_special_tokens(rust)
    return {role: _side(role, length.value, stack, settings, plain) for role, length in lengths.items()}


def _side(role: Role, length: int, stack: TextStack, settings: LateSettings, plain: SpecialTokens) -> Side:
    tokenizer, rows = stack.tokenizer, stack.vocabulary
    word = settings.query_marker if role == "query" else settings.document_marker
    marker = token_id(tokenizer, word, rows, f"{role} marker") if word else None
    around = marked_specials(plain, marker)
    if length <= around.count:
        raise CheckpointError(
            f"{role}_length is {length}, which leaves no token for a text beside the {around.count} around it."
        )
    encoder = TextEncoder(
        tokenizer,
        max_tokens=length,
        vocab_size=rows,
        type_vocab_size=stack.segments,
        lower_case=settings.lower_case and not settings.strips,
        specials=around,
    )
    filling = None
    if role == "query" and settings.query_expansion:
        filled = settings.expansion_length or length
        filling = Filling(filling_id(tokenizer, settings, rows), filled, settings.attend_to_expansion_tokens)
    only = frozenset(settings.keep_only_token_ids) if role == "document" else frozenset()
    dropped = dropped_ids(tokenizer, settings) if role in settings.skiplist_roles else frozenset()
    choice = TokenChoice(dropped, only or None)
    return Side(encoder=encoder, choice=choice, filling=filling, follows=marker is not None and not plain.head)
