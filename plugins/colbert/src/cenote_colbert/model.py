"""A loaded late-interaction model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cenote.adapters.text import TextPoolingModel
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs import Located
from cenote.types import ModelLimits, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_colbert.sides import Side
from cenote_colbert.texts import Cleaning

__all__ = ["ColbertModel"]


class ColbertModel(TextPoolingModel):
    """A text model that reads queries otherwise than documents; a text without a role is a document."""

    def __init__(
        self,
        *arguments: Any,
        sides: Mapping[Role, Side],
        cleaning: Cleaning,
        prompts_by_role: bool,
        changes: Mapping[str, Any],
        **options: Any,
    ) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            *arguments: as `TextPoolingModel` takes them.
            sides: how texts are read, by what they are for.
            cleaning: what is done to every text first.
            prompts_by_role: a stored prompt goes in front of the texts that it is named after; else only where the
                checkpoint makes it the default, or a request names it.
            changes: what `limits` says otherwise than of other text models.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        self._sides = dict(sides)
        self._cleaning = cleaning
        if not self._prompts.source:  # what a model card says is there because the user wants it
            self._prompts = replace(self._prompts, by_role=prompts_by_role)
        self.limits: ModelLimits = replace(self.limits, **changes)

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt as its side does.

        Token ids, conversations, and texts without special tokens are taken as they are: no marker, no filling. The
        words without a vector have none there either.

        Raises:
            InvalidRequest: the prompt cannot be answered as asked, or no token of it has a vector.
        """
        side = self._sides[role or "document"]
        if tokenization.pad_to_limit:
            text = "This model reads padding as text; its own filling of queries needs no option. Leave padding out."
            raise InvalidRequest(text, param="padding")
        if prompt.text is None or prompt.text_pair is not None or tokenization.add_special_tokens is False:
            prepared = super().prepare(prompt, role, params, tokenization)
            return replace(prepared, kept=side.choice.places(prepared.token_ids))
        self.loras.check(params.lora)
        prefix = self._prompts.prefix(prompt, role or "document", params)
        (text, _), removed = self._encoder.shorten(prompt, tokenization, role)
        options = self._of_side(side, tokenization)
        prepared = side.finish(self._encode(Prompt(text=self._cleaning(prefix + text)), side, options))
        return replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)

    def _encode(self, prompt: Prompt, side: Side, options: TokenizationOptions) -> PreparedInput:
        try:
            return side.encoder.encode(prompt, options)
        except PromptTooLong as exc:
            if side.encoder.max_tokens == self.limits.max_tokens:
                raise
            text = f"{exc} That is the limit of queries; documents may have {self.limits.max_tokens}."
            raise PromptTooLong(text, param=exc.param) from exc

    def _of_side(self, side: Side, options: TokenizationOptions) -> TokenizationOptions:
        """Return options without what is done already, and with a cut that the side can make."""
        asked, most = options.truncate_prompt_tokens, side.encoder.max_tokens
        if asked is not None and most < asked <= self.limits.max_tokens:
            asked = -1  # one number goes for queries and documents alike
        return replace(
            options,
            truncate_prompt_tokens=asked,
            keep_special_tokens=True,
            lower_case=False,
            max_tokens_per_query=None,
            max_tokens_per_doc=None,
        )

    def locate(
        self, text: str, role: Role | None, params: PoolingParams, *, add_special_tokens: bool = True
    ) -> Located:
        """Tokenise a whole text as its side does, and say which characters each token stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode, or the stored prompt asked for is unknown.
        """
        if not add_special_tokens:
            return super().locate(text, role, params, add_special_tokens=False)
        side = self._sides[role or "document"]
        prefix = self._prompts.prefix(Prompt(text=text), role or "document", params)
        return side.locate(lambda: self._cleaning.locate(text, prefix, side.encoder.locate))
