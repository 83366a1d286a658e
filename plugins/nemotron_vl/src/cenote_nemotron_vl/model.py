"""A loaded embedder that reads texts and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from cenote.adapters.qwen_vl import expand_placeholders
from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs import check_no_placeholders
from cenote.inputs.chat import ChatRenderer
from cenote.media import MediaCache
from cenote.types import (
    ChatOptions,
    ModelLimits,
    PackedBatch,
    PatchGrid,
    PoolingParams,
    PreparedInput,
    Prompt,
    Role,
    TokenizationOptions,
)
from cenote_nemotron_vl.literals import Hidden
from cenote_nemotron_vl.prefixed import PrefixedModel
from cenote_nemotron_vl.sight import CONTEXT, Sight
from cenote_nemotron_vl.writing import IMAGE, Written, content_of, expand, write

__all__ = ["NemotronVLModel"]


class NemotronVLModel(PrefixedModel):
    """Gives one vector per text or image."""

    def __init__(
        self,
        sight: Sight,
        *arguments: Any,
        prefixes: Mapping[str, str],
        query_tokens: int | None,
        plain: bool,
        **options: Any,
    ) -> None:
        """Put a loaded model and a pooler together.

        Args:
            sight: vision tower and language model.
            *arguments: as `PrefixedModel` takes them.
            prefixes: what stands in front of a text, by what it is for.
            query_tokens: most tokens of a query; None is the model's own limit.
            plain: conversations of one message go through the chat template as well.
            **options: as `PrefixedModel` takes them.
        """
        super().__init__(*arguments, prefixes=prefixes, **options)
        self._sight = sight
        self._plain = plain
        self._by_role = bool(prefixes)  # other servers know no rules of queries and documents
        self._query_tokens = query_tokens
        self._renderer = ChatRenderer(self.tokenizer, {"image": IMAGE})
        self.limits: ModelLimits = replace(self.limits, modalities=("text", "image"))

    @property
    def media_cache(self) -> MediaCache:
        """Return what keeps images that were cut."""
        return self._sight.cache

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Write a prompt, tokenise it and cut its images.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: the prompt cannot be answered as asked.
            ModelNotFound: the low-rank adapter that it asks for is not loaded.
        """
        self.loras.check(params.lora)
        self._check_form(prompt, tokenization)
        tokenization = self._with_template(tokenization)
        if prompt.token_ids is not None:
            return self._finish(prompt, prompt, tokenization)
        if prompt.messages is not None and self._is_content(prompt, tokenization):
            text, told = content_of(prompt.messages[0])
            prompt, role = replace(prompt, text=text, messages=None), role or told
        if prompt.messages is not None:
            return self._of_template(prompt, role, tokenization)
        check_no_placeholders([prompt.text or ""], [CONTEXT])
        prefix = self._prompts.prefix(replace(prompt, text=prompt.text or ""), role, params)
        (text, _), removed = self._encoder.shorten(prompt, tokenization, role)
        written = write(prefix, prompt, text, role, literal=prompt.is_layout)
        prepared = self._finish(prompt, written, self._of_role(prompt, role, tokenization))
        return replace(prepared, truncated_tokens=prepared.truncated_tokens + removed)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run vision tower and language model: [T, hidden_size]."""
        return self._sight.forward(batch)

    def report(self) -> dict[str, str]:
        """Say what was resolved, and from where."""
        return {**self._facts, **self._sight.facts(), "max tokens": self._facts["max tokens"]}

    def _is_content(self, prompt: Prompt, options: TokenizationOptions) -> bool:
        """Tell whether a conversation is read as its content, not through a chat template."""
        asked = options.chat.template if options.chat is not None else None
        return len(prompt.messages or ()) == 1 and asked is None and not self._plain

    def _of_template(self, prompt: Prompt, role: Role | None, options: TokenizationOptions) -> PreparedInput:
        """Prepare a conversation as the chat template writes it.

        A conversation of one message has the limits of its role, and loses a literal `<image>`, as without a template.
        """
        messages = prompt.messages or ()
        if len(messages) == 1 and self._by_role:
            role = role or content_of(messages[0])[1]
            options = self._of_role(prompt, role, options)
        else:
            role = None
        check_no_placeholders((content_of(message)[0] for message in messages), [CONTEXT], param="messages")
        chat = options.chat or ChatOptions()
        if prompt.media:
            hidden = Hidden.of(messages)
            shown = hidden.put(messages)
            check_no_placeholders((content_of(message)[0] for message in shown), [IMAGE], param="messages")
            written = hidden.back(expand(self._renderer.render(shown, chat), len(prompt.media)))
        else:
            written = write("", prompt, self._renderer.render(messages, chat), role, literal=False)
        add = bool(options.add_special_tokens)  # a template writes them itself
        return self._finish(prompt, written, replace(options, add_special_tokens=add))

    def _of_role(self, prompt: Prompt, role: Role | None, options: TokenizationOptions) -> TokenizationOptions:
        """Let a query without images have no more tokens than queries may have."""
        most = self._query_tokens
        if role != "query" or prompt.media or most is None or prompt.chunk_ends or options.max_tokens is not None:
            return options
        asked = options.truncate_prompt_tokens
        within = asked is not None and most < asked <= self.limits.max_tokens
        return replace(options, max_tokens=most, truncate_prompt_tokens=most if within else asked)

    def _finish(self, prompt: Prompt, written: Written | Prompt, options: TokenizationOptions) -> PreparedInput:
        """Tokenise, put the tokens of images in place of their placeholders, and cut the images.

        Raises:
            PromptTooLong: there are too many tokens.
            InvalidRequest: placeholders do not fit the images, or truncation leaves no room beside them.
        """
        whole = replace(options, max_tokens_per_query=None, max_tokens_per_doc=None)
        counts = [self._sight.tiles.count(item.value) for item in prompt.media]
        per_tile = self._sight.config.tokens**2
        extra = per_tile * sum(counts) - len(counts)
        prepared = self._encode(prompt, written, self._beside(whole, extra) if counts else whole, extra)
        context = self._sight.config.context_token
        if counts and prepared.truncated_tokens and prepared.token_ids.count(context) != len(counts):
            raise _no_room()
        ids = expand_placeholders(prepared.token_ids, {context: [per_tile * count for count in counts]})
        if not counts:
            return prepared
        media = tuple(self._sight.tiles.prepare(item.value, self._sight.cache) for item in prompt.media)
        side = self._sight.config.tokens
        places = [place for place, token in enumerate(ids) if token == context][::per_tile]
        grids = tuple(PatchGrid(start=place, rows=side, columns=side) for place in places)
        return replace(prepared, token_ids=ids, media=media, grids=grids)

    def _encode(
        self, prompt: Prompt, written: Written | Prompt, options: TokenizationOptions, extra: int
    ) -> PreparedInput:
        """Tokenise a written prompt, or take the caller's ids."""
        try:
            if isinstance(written, Prompt):
                ids = Prompt(token_ids=written.token_ids, token_type_ids=written.token_type_ids)
                return self._encoder.encode(ids, options)
            text = Prompt(text=written.text, chunk_ends=prompt.chunk_ends)
            return self._encoder.encode(text, options, prefix=written.before)
        except PromptTooLong as exc:
            if not prompt.media:
                raise
            raise PromptTooLong(
                f"The prompt is longer than the {self.limits.max_tokens} tokens that this model takes; its images "
                f"have {extra + len(prompt.media)} of them. Shorten it, ask for truncation of the text with "
                "truncate_prompt_tokens=-1, or let images have fewer tiles (max_input_tiles in mm_processor_kwargs).",
                param="input_tokens",
            ) from exc

    def _beside(self, options: TokenizationOptions, extra: int) -> TokenizationOptions:
        """Return options for a prompt in which each image counts one token.

        Raises:
            PromptTooLong: the images alone are too long.
            InvalidRequest: truncation to a length that no prompt has, or that leaves no room.
        """
        most = self.limits.max_tokens
        asked = options.truncate_prompt_tokens
        if asked is not None and asked != -1 and not 1 <= asked <= most:
            raise InvalidRequest(
                f"truncate_prompt_tokens is {asked}, but a prompt of this model has 1 to {most} tokens. Give such a "
                "number, or -1 for as many as fit.",
                param="truncate_prompt_tokens",
            )
        if extra >= most:
            raise PromptTooLong(
                f"The images of this prompt have more than the {most} tokens that this model takes. Send fewer, let "
                "them have fewer tiles (max_input_tiles in mm_processor_kwargs), or raise max_model_len.",
                param="input_tokens",
            )
        keep = asked
        if asked is not None and asked != -1:
            keep = asked - extra
            if keep < 1:
                raise _no_room()
        return replace(options, max_tokens=most - extra, truncate_prompt_tokens=keep, truncation_side="right")

    def _check_form(self, prompt: Prompt, options: TokenizationOptions) -> None:
        """Refuse what such a model cannot read.

        Raises:
            InvalidRequest: as said.
        """
        if prompt.text_pair is not None:
            text = "This model reads one text at a time; it has no use for text_pair."
            raise InvalidRequest(text, param="text_pair")
        if prompt.media and prompt.chunk_ends:
            raise InvalidRequest("A prompt with images is not cut into chunks; leave late chunking out.")
        if prompt.media and options.truncation_side == "left":
            text = "The end of a prompt with images is cut, never its beginning, where they stand. Leave 'left' out."
            raise InvalidRequest(text, param="truncation_side")
        for item in prompt.media:
            if item.kind != "image":
                raise InvalidRequest(f"This model takes images as they are, not {item.kind}.", param="multi_modal_data")


def _no_room() -> InvalidRequest:
    return InvalidRequest(
        "Truncation leaves no room for the text beside the images. Raise truncate_prompt_tokens, or let images have "
        "fewer tiles (max_input_tiles in mm_processor_kwargs).",
        param="truncate_prompt_tokens",
    )
