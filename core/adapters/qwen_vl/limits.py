"""The longest prompt of each kind, and who decided it."""

from __future__ import annotations

from dataclasses import dataclass

from cenote.adapters.qwen_vl.writing import Room
from cenote.config import Fact, Resolved
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.types import Role, TokenizationOptions

__all__ = ["Lengths", "PromptLimits"]


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
    """

    query: Resolved[int]
    document: Resolved[int]
    beside_media: int = 0

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
            beside = f" beside {self.beside_media} of text" if self.beside_media else ""
            raise PromptTooLong(
                f"The images or videos of this prompt have {media} tokens, but this model takes at most {most}"
                f"{beside}. Send smaller ones, make them smaller with max_num_visual_tokens in mm_processor_kwargs "
                "(--mm-processor-kwargs), or raise max_model_len.",
                param="input_tokens",
            )
        asked = options.truncate_prompt_tokens
        keep = most if asked is None or asked == -1 else asked
        if not 1 <= keep <= self.document.value:
            raise InvalidRequest(
                f"truncate_prompt_tokens is {asked}, but a prompt of this model has 1 to {self.document.value} tokens. "
                "Give such a number, or -1 for as many as fit.",
                param="truncate_prompt_tokens",
            )
        return Room(tokens=min(keep, most), cuts=asked is not None)

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of them."""
        if self.query == self.document:
            return {}
        return {"max query tokens": Fact(self.query.value, self.query.source)}
