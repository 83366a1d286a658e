"""The tokens that a model makes of a prompt, without running it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cenote.engine.face import EngineFace
from cenote.engine.vocabulary import ANY_LENGTH
from cenote.inputs import Located
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["TokenView", "view_tokens"]


@dataclass(frozen=True, slots=True)
class TokenView:
    """What a model makes of a prompt.

    Attributes:
        ids: those that a request for the model's results would use, were the prompt of any length.
        located: the same tokens with their places, or None where these are unknown: in a conversation, and where an
            adapter adds tokens of its own.
    """

    ids: tuple[int, ...]
    located: Located | None


def view_tokens(
    face: EngineFace,
    prompt: Prompt,
    *,
    role: Role | None = None,
    params: PoolingParams | None = None,
    options: TokenizationOptions | None = None,
) -> TokenView:
    """Tokenise a text or a conversation of any length, in the calling thread; media are loaded in their own.

    Args:
        face: whose model.
        prompt: a text, or a conversation, perhaps with media.
        role: what it is for.
        params: which stored prompt and which low-rank adapter.
        options: special tokens, and how a conversation becomes text.

    Raises:
        InvalidRequest: the prompt cannot be tokenised, or a conversation is empty.
        MediaUnavailable: a medium cannot be loaded for now.
        ModelNotFound: the low-rank adapter is not loaded.
    """
    params, options = params or PoolingParams(), options or TokenizationOptions()
    prompt = face.engine.load_media(prompt)
    model, located = face.engine.model, None
    if prompt.text is not None and not prompt.media and (find := getattr(model, "locate", None)) is not None:
        with_specials = options.add_special_tokens is not False
        located = find(prompt.text, role, params, add_special_tokens=with_specials)
        if not located.ids:  # nothing to run a model on, but an answer here
            return TokenView((), located)
    prepared = model.prepare(prompt, role, params, replace(options, max_tokens=ANY_LENGTH))
    return TokenView(prepared.token_ids, located if located and located.ids == prepared.token_ids else None)
