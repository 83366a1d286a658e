"""The three JSON files of a tokenizer, and the components they are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["TinyTokenizer", "byte_level", "ids_of", "metaspace", "template"]


@dataclass(frozen=True, kw_only=True)
class TinyTokenizer:
    """Three JSON files of a tokenizer, not yet written.

    Attributes:
        model: the `model` entry of `tokenizer.json`, vocabulary included.
        special: special tokens by role (`pad_token`, `cls_token` …).
        pipeline: the other entries of `tokenizer.json`: normalizer, pre_tokenizer, post_processor, decoder.
        settings: further entries of `tokenizer_config.json`.
        extra_special: special tokens without a role.
        truncation: the entry of `tokenizer.json`.
        padding: the entry of `tokenizer.json`.
        added: tokens that were added to the finished vocabulary, not special, with the ids that follow it.
    """

    model: Mapping[str, Any]
    special: Mapping[str, str]
    pipeline: Mapping[str, Any]
    settings: Mapping[str, Any]
    extra_special: Sequence[str] = ()
    truncation: Mapping[str, Any] | None = None
    padding: Mapping[str, Any] | None = None
    added: Sequence[str] = ()
    _ids: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        vocab = self.model["vocab"]
        pieces = vocab.items() if isinstance(vocab, dict) else ((piece, i) for i, (piece, _) in enumerate(vocab))
        self._ids.update(pieces)
        self._ids.update({token: len(self._ids) + index for index, token in enumerate(self.added)})

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary, special and added ones included."""
        return len(self._ids)

    def id(self, token: str) -> int:
        """Return the id of a token."""
        return self._ids[token]

    def role(self, role: str) -> int:
        """Return the id of the special token with this role, such as `pad_token`."""
        return self._ids[self.special[role]]

    def files(self, model_max_length: int) -> dict[str, Any]:
        """Return the content of the tokenizer's files by name."""
        settings = {**self.settings, **self.special, "model_max_length": model_max_length}
        return {
            "tokenizer.json": self._tokenizer_json(),
            "tokenizer_config.json": settings,
            "special_tokens_map.json": dict(self.special),
        }

    def _tokenizer_json(self) -> dict[str, Any]:
        specials = sorted({*self.special.values(), *self.extra_special}, key=self.id)
        strip = {"single_word": False, "lstrip": False, "rstrip": False}
        flags = {**strip, "normalized": False, "special": True}
        later = {**strip, "normalized": True, "special": False}
        return {
            "version": "1.0",
            "truncation": self.truncation,
            "padding": self.padding,
            "added_tokens": [
                *({"id": self.id(token), "content": token, **flags} for token in specials),
                *({"id": self.id(token), "content": token, **later} for token in self.added),
            ],
            **self.pipeline,
            "model": self.model,
        }


def template(
    ids: Callable[[str], int], before: Sequence[str], after: Sequence[str], second: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a post-processor that adds special tokens.

    Args:
        ids: token to id.
        before: tokens in front of the text, or of the first of a pair.
        after: tokens behind each text.
        second: tokens in front of the second text of a pair.
    """

    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    def around(name: str, type_id: int, start: Sequence[str]) -> list[dict[str, Any]]:
        sequence = {"Sequence": {"id": name, "type_id": type_id}}
        return [*(special(t, type_id) for t in start), sequence, *(special(t, type_id) for t in after)]

    tokens = {token: {"id": token, "ids": [ids(token)], "tokens": [token]} for token in (*before, *after)}
    pair = [*around("A", 0, before), *around("B", 1, second)]
    return {"type": "TemplateProcessing", "single": around("A", 0, before), "pair": pair, "special_tokens": tokens}


def ids_of(model: Mapping[str, Any]) -> Callable[[str], int]:
    """Return the function from token to id of a `model` entry."""
    vocab: Any = model["vocab"]
    if isinstance(vocab, dict):
        return vocab.__getitem__
    return {piece: index for index, (piece, _) in enumerate(vocab)}.__getitem__


def byte_level(**options: bool) -> dict[str, Any]:
    """Return a ByteLevel component; `options` replace its defaults."""
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True} | options


def metaspace() -> dict[str, Any]:
    """Return SentencePiece's splitting into words."""
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
