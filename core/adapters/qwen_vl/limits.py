"""The longest prompt of each kind, and who decided it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cenote.adapters.qwen_vl.writing import Room
from cenote.config import Fact, Resolved
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.types import Role, TokenizationOptions

__all__ = ["Lengths", "PromptLimits"]

_log = logging.getLogger(__name__)

_SMALLER = (
    'Send smaller ones, or make images smaller with mm_processor_kwargs={"max_pixels": N} (--mm-processor-kwargs)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """The longest prompts of a model, in tokens, where its processor limits them.

    Attributes:
        query: all tokens of a query.
        document: all tokens of a document.
        beside_image: tokens of a document that its image must leave free.
    """

    query: int
    document: int
    beside_image: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """How long prompts may be.

    Attributes:
        query: most tokens of a query without media, and who decided it.
        document: most tokens of anything else.
        beside_media: tokens that media must leave free.
        remedy: how media get fewer tokens, for messages.
    """

    query: Resolved[int]
    document: Resolved[int]
    beside_media: int = 0
    remedy: str = _SMALLER

    @classmethod
    def of(cls, backbone: Resolved[int], lengths: Lengths | None) -> PromptLimits:
        """Return the limits of a model.

        Args:
            backbone: most tokens that the user wants, else that the backbone takes.
            lengths: of the model's processor.
        """
        if lengths is None:
            return cls(query=backbone, document=backbone)
        document = backbone
        if backbone.source != "user" and lengths.document < backbone.value:
            document = Resolved(lengths.document, "model_default")
        query = document if document.value <= lengths.query else Resolved(lengths.query, "model_default")
        if document.value <= lengths.beside_image + 1:
            _log.warning(
                "no image fits: prompts have at most %s tokens, of which an image must leave %d free. Raise "
                "max_model_len (--max-model-len) to read images.",
                document,
                lengths.beside_image,
            )
        return cls(query=query, document=document, beside_media=lengths.beside_image)

    def room(self, role: Role, media: int, options: TokenizationOptions) -> Room:
        """Return how many tokens a prompt may have.

        Args:
            role: what it is for.
            media: tokens of its media; 0 without any.
            options: of its request.

        Raises:
            PromptTooLong: the media alone are too long.
            InvalidRequest: truncation to a length that no prompt has.
        """
        most = self.query.value if role == "query" and not media else self.document.value
        if media and media + self.beside_media >= most:
            raise self._media_too_long(media, most)
        asked = options.truncate_prompt_tokens
        keep = most if asked is None or asked == -1 else asked
        if not 1 <= keep <= self.document.value:
            raise InvalidRequest(
                f"truncate_prompt_tokens is {asked}, but a prompt of this model has 1 to {self.document.value} tokens. "
                "Give such a number, or -1 for as many as fit.",
                param="truncate_prompt_tokens",
            )
        reason = f"Its images or videos have {media} of them. {self.remedy}." if media else ""
        return Room(tokens=min(keep, most), cuts=asked is not None, reason=reason)

    def _media_too_long(self, media: int, most: int) -> PromptTooLong:
        """Return the error for media that are too long whatever the text is."""
        found = f"The images or videos of this prompt have {media} tokens, but this model takes at most {most}"
        if self.beside_media + 1 >= most:
            text = f"{found}, of which {self.beside_media} must stay free for text, so that no image fits. Raise"
            return PromptTooLong(f"{text} max_model_len.", param="input_tokens")
        beside = f", {self.beside_media} of which must stay free for text" if self.beside_media else ""
        return PromptTooLong(f"{found}{beside}. {self.remedy}, or raise max_model_len.", param="input_tokens")

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of them."""
        if self.query == self.document:
            return {}
        return {"max query tokens": Fact(self.query.value, self.query.source)}
