"""A loaded model on Qwen-VL that reads texts, images and, some, videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from cenote.adapters.qwen_vl.composing import Composer, content_of
from cenote.adapters.qwen_vl.layouts import PLACEHOLDERS
from cenote.adapters.qwen_vl.limits import PromptLimits
from cenote.adapters.qwen_vl.placeholders import VisualTokens, expand_placeholders, patch_grids
from cenote.adapters.qwen_vl.seeing import MediaReader, Seen
from cenote.adapters.qwen_vl.stack import VisualStack
from cenote.adapters.qwen_vl.writing import Room, Writer, Written
from cenote.adapters.text import TextPoolingModel
from cenote.errors import CheckpointError, InvalidRequest
from cenote.inputs import Located
from cenote.media import MediaCache
from cenote.types import (
    ChatOptions,
    ModelLimits,
    PackedBatch,
    PoolingParams,
    PreparedInput,
    Prompt,
    Role,
    TokenizationOptions,
)

__all__ = ["VisualPoolingModel", "check_placeholders"]


class VisualPoolingModel(TextPoolingModel):
    """Writes prompts by layouts, with media in them; a prompt without a role is a document."""

    def __init__(
        self,
        visual: VisualStack,
        *arguments: Any,
        composer: Composer,
        reader: MediaReader,
        prompt_limits: PromptLimits,
        changes: Mapping[str, Any],
        **options: Any,
    ) -> None:
        """Put a loaded backbone and a pooler together.

        Args:
            visual: vision tower and language model.
            *arguments: as `TextPoolingModel` takes them.
            composer: writes prompts.
            reader: measures and prepares media.
            prompt_limits: how long prompts may be.
            changes: what `limits` says otherwise than of text models.
            **options: as `TextPoolingModel` takes them.
        """
        super().__init__(*arguments, **options)
        self._visual = visual
        self._tokens = visual.tokens
        self._composer = composer
        self._reader = reader
        self._prompt_limits = prompt_limits
        self._writer = Writer(self.tokenizer)
        self.limits: ModelLimits = replace(self.limits, **changes)

    @property
    def media_cache(self) -> MediaCache:
        """Return what keeps prepared media."""
        return self._reader.cache

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Write a prompt by the layout of its kind, tokenise it and prepare its media.

        Raises:
            PromptTooLong: more tokens than the model takes, and the text may or can not be cut.
            InvalidRequest: the prompt cannot be answered as asked.
            ModelNotFound: the low-rank adapter that it asks for is not loaded.
        """
        self.loras.check(params.lora)
        self._check_form(prompt, tokenization)
        if prompt.messages is not None and self._composer.is_content(prompt.messages, tokenization):
            prompt, told = content_of(prompt, self._composer.layouts.dropped)
            role = role or told
        if prompt.token_ids is not None or prompt.messages is not None:
            self._prompts.prefix(prompt, role, params)  # refuses a stored prompt, which would have no place
        seen = self._reader.measure(prompt.media)
        room = self._prompt_limits.room(role or "document", sum(sum(item.tokens) for item in seen), tokenization)
        side = tokenization.truncation_side or self.tokenizer.truncation_side
        room = replace(room, media=_extra(seen), from_end=room.cuts and side == "left")
        if prompt.token_ids is not None:
            return self._finish(*self._of_ids(prompt.token_ids, seen, room, tokenization), seen)
        written, removed = self._write(prompt, role or "document", params, tokenization, seen, room)
        ids, cut = self._writer.ids(written, room)
        return self._finish(ids, removed + cut, seen)

    def _write(
        self,
        prompt: Prompt,
        role: Role,
        params: PoolingParams,
        options: TokenizationOptions,
        seen: Sequence[Seen],
        room: Room,
    ) -> tuple[Written, int]:
        """Return a written prompt, and how many tokens limits of queries and documents removed."""
        if prompt.messages is not None:
            chat = options.chat or ChatOptions()
            return self._composer.render(prompt.messages, seen, chat, from_end=room.from_end), 0
        prefix = self._prompts.prefix(replace(prompt, text=prompt.text or ""), role, params)
        (text, _), removed = self._encoder.shorten(prompt, options, role)
        return self._composer.write(
            prefix + text, seen, role, options, from_end=room.from_end, is_layout=prompt.is_layout
        ), removed

    def _finish(self, ids: tuple[int, ...], removed: int, seen: Sequence[Seen]) -> PreparedInput:
        """Put the tokens of media in place of their placeholders, and prepare the media.

        Raises:
            InvalidRequest: there are no tokens.
        """
        if not ids:
            raise InvalidRequest("The prompt is empty: it has no tokens.", param="input")
        if max(ids) > self.limits.max_token_id:  # a tokenizer may have more tokens than the model has rows
            known = f"this model knows ids 0 to {self.limits.max_token_id}"
            raise InvalidRequest(f"Token id {max(ids)} is out of vocabulary: {known}.", param="input")
        counts = {
            token: [count for item in seen if self._tokens.of(item.kind) == token for count in item.tokens]
            for token in (self._tokens.image, self._tokens.video)
        }
        expanded = expand_placeholders(ids, counts)
        media = tuple(item.prepare() for item in _arranged(ids, seen, self._tokens))
        grids = patch_grids(expanded, self._tokens, media) if media else ()
        return PreparedInput(token_ids=expanded, truncated_tokens=removed, media=media or None, grids=grids)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run vision tower and language model: [T, hidden_size]."""
        return self._visual.forward(batch)

    def locate(
        self, text: str, role: Role | None, params: PoolingParams, *, add_special_tokens: bool = True
    ) -> Located:
        """Tokenise a whole text as its layout does, and say which characters each token stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode, or the stored prompt asked for is unknown.
        """
        prefix = self._prompts.prefix(Prompt(text=text), role, params)
        options = TokenizationOptions(add_special_tokens=add_special_tokens)
        written = self._composer.write(prefix + text, (), role or "document", options, from_end=False)
        return self._writer.locate(written, prefix + text, prefix=len(prefix))

    def report(self) -> dict[str, str]:
        """Say what was resolved, and from where."""
        return {**self._facts, **self._visual.facts(), "max tokens": str(self._prompt_limits.document)}

    def _check_form(self, prompt: Prompt, options: TokenizationOptions) -> None:
        """Refuse what such a model cannot read.

        Raises:
            InvalidRequest: as said.
        """
        if prompt.text_pair is not None and self._pairs is None:
            text = "This model reads one text at a time; it has no use for text_pair."
            raise InvalidRequest(text, param="text_pair")
        if prompt.chunk_ends:
            raise InvalidRequest("This model writes prompts by a layout; late chunking means nothing here.")
        if options.pad_to_limit:
            text = "This model reads padding as text. Leave padding out."
            raise InvalidRequest(text, param="padding")

    def _of_ids(
        self, ids: tuple[int, ...], seen: Sequence[Seen], room: Room, options: TokenizationOptions
    ) -> tuple[tuple[int, ...], int]:
        """Check the tokens of a caller, which have one placeholder per medium, and cut them where that was asked for.

        Raises:
            PromptTooLong: there are too many, and they must not be cut.
            InvalidRequest: an id is out of vocabulary.
        """
        total = len(ids) + room.media
        if total > room.tokens and not room.cuts:
            raise room.too_long(total, exact=True)
        most = max(room.tokens - room.media, 1)
        keep = most if room.cuts else None
        plain = TokenizationOptions(
            truncate_prompt_tokens=keep, max_tokens=most, truncation_side=options.truncation_side
        )
        prepared = self._encoder.encode(Prompt(token_ids=ids), plain)
        return prepared.token_ids, prepared.truncated_tokens


def _extra(seen: Sequence[Seen]) -> int:
    """Return how many tokens media take beyond their placeholders."""
    return sum(count - 1 for item in seen for count in item.tokens)


def _arranged(ids: Sequence[int], seen: Sequence[Seen], tokens: VisualTokens) -> list[Seen]:
    """Return media in the order of their placeholders: those of one kind come in order, but kinds may be mixed.

    Raises:
        InvalidRequest: something else stands between the frames of a video.
    """
    waiting = {kind: [item for item in seen if item.kind == kind] for kind in ("image", "video")}
    order: list[Seen] = []
    frames = 0
    for place in tokens.places(ids):
        kind = "video" if ids[place] == tokens.video else "image"
        if frames == 0:
            order.append(waiting[kind].pop(0))
            frames = len(order[-1].tokens)
        elif order[-1].kind != kind:
            raise InvalidRequest("The placeholder of an image stands between those of a video's frames.")
        frames -= 1
    return order


def check_placeholders(visual: VisualStack) -> None:
    """Compare the ids that config.json gives to placeholders with those of the tokenizer.

    Raises:
        CheckpointError: they differ.
    """
    vocabulary = visual.stack.tokenizer.get_vocab()
    for kind, token in PLACEHOLDERS.items():
        wanted = visual.tokens.of(kind)
        if vocabulary.get(token) != wanted:
            raise CheckpointError(
                f"config.json has {kind}_token_id {wanted}, but the tokenizer's {token!r} is {vocabulary.get(token)}. "
                "One of the files belongs to another model."
            )
