"""A loaded reranker that reads a query together with a text, an image or both."""

from __future__ import annotations

from dataclasses import replace

from cenote.errors import InvalidRequest
from cenote.inputs import ChatPairTemplate, FilledPair, RerankTemplate, check_no_placeholders, side_texts
from cenote.types import ChatOptions, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_nemotron_vl.model import NemotronVLModel
from cenote_nemotron_vl.sight import CONTEXT
from cenote_nemotron_vl.writing import IMAGE, Written, cleaned, content_of, expand

__all__ = ["NemotronVLReranker"]

#: Roles of the two messages that are a pair.
_ROLES = ("query", "document")


class NemotronVLReranker(NemotronVLModel):
    """Scores pairs; a document may have one image."""

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Write a pair, tokenise it and cut its image. Other prompts are read as they are.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: the prompt cannot be answered as asked.
            ModelNotFound: the low-rank adapter that it asks for is not loaded.
        """
        prompt = self._as_pair(prompt, tokenization)
        if prompt.text_pair is None:
            return super().prepare(prompt, role, params, tokenization)
        self.loras.check(params.lora)
        self._check_form(replace(prompt, text_pair=None), tokenization)
        _check_images(prompt)
        prefix = self._prompts.prefix(prompt, role, params)
        (query, document), removed = self._encoder.shorten(prompt, tokenization, None)
        pair = replace(prompt, text=cleaned(query), text_pair=cleaned(document or ""))
        check_no_placeholders([pair.text or "", pair.text_pair or ""], [CONTEXT])
        text = self._pair_text(pair, prefix, tokenization)
        written = expand(text, len(prompt.media)) if prompt.media else Written("", text)
        prepared = self._finish(prompt, written, tokenization)
        return replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)

    def _as_pair(self, prompt: Prompt, options: TokenizationOptions) -> Prompt:
        """Return a conversation of a query and a document as a pair, where no chat template is to write it.

        Only the document may have images here, as in every pair: those of the query are counted first.
        """
        messages = prompt.messages or ()
        asked = options.chat.template if options.chat is not None else None
        if tuple(message["role"] for message in messages) != _ROLES or asked is not None or self._plain:
            return prompt
        (query, _), (document, _) = (content_of(message) for message in messages)
        content = messages[0].get("content")
        parts = content if isinstance(content, list | tuple) else ()
        count = sum(part.get("type") != "text" for part in parts)
        return replace(prompt, messages=None, text=query, text_pair=document, first_media=count)

    def _pair_text(self, prompt: Prompt, prefix: str, options: TokenizationOptions) -> str:
        """Return both texts, and the place of an image, as the request's, the user's or the model's template does.

        Raises:
            InvalidRequest: the template cannot be filled, or there is none for an instruction.
        """
        assert self._pairs is not None
        chat = options.chat or ChatOptions()
        template = self._pairs.template if chat.template is None else ChatPairTemplate()
        if isinstance(template, ChatPairTemplate):
            instruction = None if chat.instruction else prefix or None
            filled = FilledPair(self._renderer, template, chat, instruction)
            return filled.text(*side_texts(prompt, {"image": IMAGE}))
        if chat.instruction:
            text = "This model has no prompt template that an instruction could go into. Leave instruction out."
            raise InvalidRequest(text, param="instruction")
        assert isinstance(template, RerankTemplate)
        text = template.fill(template.body[0], prefix + (prompt.text or ""), prompt.text_pair or "", None)
        return f"{IMAGE} {text}" if prompt.media else text


def _check_images(prompt: Prompt) -> None:
    """Refuse what the model's own code leaves out without a word.

    Raises:
        InvalidRequest: the query has an image, or the document several.
    """
    if prompt.first_media:
        text = "This model reads images of documents only; the query has one. Describe in words what you look for."
        raise InvalidRequest(text, param="query")
    if len(prompt.media) > 1:
        text = f"This model reads one image per document; this one has {len(prompt.media)}. Score them one by one."
        raise InvalidRequest(text, param="documents")
