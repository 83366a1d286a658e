"""What the libraries of static embeddings do to a text beyond tokenising it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.static import StaticTokenizer, is_model2vec
from cenote.config import Resolved
from cenote.errors import CheckpointError, InvalidRequest
from cenote.types import PreparedInput, Prompt, TokenizationOptions

__all__ = ["TextRules", "model2vec_rules", "static_limit"]

#: Longest text in tokens where nothing says, since one pass holds a vector for each.
_NO_LIMIT = 131_072
#: model2vec's own limit where its config names none.
_MODEL2VEC_LIMIT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRules:
    """What happens to a text, beside tokenising. By default nothing, as in sentence-transformers.

    Attributes:
        dropped_id: tokens of this id are left out; None keeps all.
        characters_per_token: a text that is to be cut to n tokens is cut to n times as many characters first; None
            cuts tokens only.

    Source: `StaticModel.encode` and `tokenize` of model2vec 0.10.
    """

    dropped_id: int | None = None
    characters_per_token: int | None = None

    def shorten(self, prompt: Prompt, tokenization: TokenizationOptions, max_tokens: int) -> Prompt:
        """Cut the characters of a text that is to be truncated; texts that shall be whole stay whole."""
        asked, size = tokenization.truncate_prompt_tokens, self.characters_per_token
        if asked is None or asked == 0 or size is None or prompt.text is None:
            return prompt
        return replace(prompt, text=prompt.text[: size * (max_tokens if asked < 0 else asked)])

    def keep_known(self, prepared: PreparedInput) -> PreparedInput:
        """Leave the unknown token out of a prompt, and move the borders of its spans.

        Raises:
            InvalidRequest: nothing is left of the prompt, or of a span.
        """
        token = self.dropped_id
        if token is None or token not in prepared.token_ids:
            return prepared
        kept = tuple(value for value in prepared.token_ids if value != token)
        before = [0]
        for value in prepared.token_ids:
            before.append(before[-1] + (value != token))
        spans = tuple((before[start], before[end]) for start, end in prepared.spans)
        if not kept or any(start == end for start, end in spans):
            text = "The prompt has no token that is in the vocabulary, so it has no embedding."
            raise InvalidRequest(text, param="input")
        return replace(prepared, token_ids=kept, spans=spans)


def model2vec_rules(tokenizer: StaticTokenizer) -> TextRules:
    """Return model2vec's rules: no unknown tokens, and a token counts as the median of the vocabulary's lengths."""
    lengths = [len(token) for token in tokenizer.rust.get_vocab(with_added_tokens=True)]
    return TextRules(dropped_id=tokenizer.unknown_id, characters_per_token=int(statistics.median(lengths)))


def static_limit(checkpoint: Checkpoint, tokenizer: StaticTokenizer, user: int | None) -> Resolved[int]:
    """Return the longest prompt: the user's, else where the model's library would cut, else a large number.

    Raises:
        CheckpointError: the limit in the files is not a positive number.
    """
    if user is not None:
        return Resolved(user, "user")
    if is_model2vec(checkpoint):
        limit = checkpoint.config.get("max_length", _MODEL2VEC_LIMIT)
    else:
        limit = tokenizer.stored_limit
    if limit is None:
        return Resolved(_NO_LIMIT, "pooler_default")
    if not isinstance(limit, int) or limit < 1:
        raise CheckpointError(f"{checkpoint.name!r} has a longest text of {limit!r} tokens; it must be positive.")
    return Resolved(limit, "model_default")
