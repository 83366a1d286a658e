"""Words of the settings to ids of a tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cenote.errors import CheckpointError
from cenote.inputs.specials import SpecialTokens
from cenote_colbert.settings import LateSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["dropped_ids", "filling_id", "marked_specials", "token_id"]


def token_id(tokenizer: PreTrainedTokenizerBase, token: str, rows: int, what: str) -> int:
    """Return the id of a token.

    Args:
        tokenizer: the checkpoint's.
        token: the whole token.
        rows: of the model's table of tokens.
        what: it is, for the message.

    Raises:
        CheckpointError: the vocabulary or the model's table lacks it. (PyLate would add a row of random numbers.)
    """
    found = tokenizer.get_vocab().get(token)
    if found is None or found >= rows:
        lack = "is not in the tokenizer's vocabulary" if found is None else f"has id {found}, the model knows {rows}"
        raise CheckpointError(
            f"The {what} {token!r} {lack}. The files are incomplete, or late_interaction must name another token."
        )
    return found


def marked_specials(plain: SpecialTokens, marker: int | None) -> SpecialTokens:
    """Return what stands around a text, with the marker behind the first token in front."""
    if marker is None:
        return plain
    return SpecialTokens((*plain.head[:1], marker, *plain.head[1:]), plain.tail)


def filling_id(tokenizer: PreTrainedTokenizerBase, settings: LateSettings, rows: int) -> int:
    """Return the id that queries are filled with.

    Raises:
        CheckpointError: there is none, or queries would be filled in front.

    Source: `ColBERT.__init__` of PyLate 1.6 for the order: mask, end of a text, padding.
    """
    if tokenizer.padding_side == "left" and settings.sources["query_expansion"] != "user":
        raise CheckpointError(
            "This tokenizer pads in front (padding_side: left), as published Qwen and Gemma tokenizers do. The "
            "reference library then fills queries in front of their text, with the marker among the filling. cenote "
            "fills them behind their text: if the model was trained so, say it with "
            "hf_overrides={'late_interaction': {'query_expansion': true}}; if without filling, with false."
        )
    if settings.expansion_token is not None:
        return token_id(tokenizer, settings.expansion_token, rows, "expansion token")
    own: list[Any] = [tokenizer.mask_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    found = next((value for value in own if isinstance(value, int)), None)
    if found is None or found >= rows:
        raise CheckpointError("The tokenizer has no mask, end or padding token that queries could be filled with.")
    return found


def dropped_ids(tokenizer: PreTrainedTokenizerBase, settings: LateSettings) -> frozenset[int]:
    """Return the ids of the words that get no vector.

    Raises:
        CheckpointError: a word is no token, and the tokenizer has no unknown token.

    Source: PyLate 1.6 (`convert_tokens_to_ids`), sentence-transformers 6.2 (without words that are unknown), and
    colbert-ai 0.2.22 (the first token of each word, and padding).
    """
    vocabulary = tokenizer.get_vocab()
    found: set[int] = set()
    for word in settings.skiplist_words:
        if settings.encodes_words:
            found.update(tokenizer.encode(word, add_special_tokens=False)[:1])
        elif word in vocabulary:
            found.add(vocabulary[word])
        elif settings.unknown_words:
            unknown: Any = tokenizer.unk_token_id
            if unknown is None:
                raise CheckpointError(
                    f"The word {word!r} of the skip list is no token of this tokenizer. Leave it out."
                )
            found.add(unknown)
    if settings.drops_padding and isinstance(tokenizer.pad_token_id, int):
        found.add(tokenizer.pad_token_id)
    return frozenset(found)
