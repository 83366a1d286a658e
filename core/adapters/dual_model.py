"""A loaded model of two towers: a text or an image becomes one vector of the same space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.dual_text import TextRule
from cenote.adapters.packing import select
from cenote.adapters.prompts import choose_prompts
from cenote.adapters.reading import TextReader
from cenote.adapters.stack import TextStack
from cenote.adapters.towers import FixedImages, FixedTower
from cenote.checkpoints import Checkpoint
from cenote.errors import InvalidRequest, ModelNotFound
from cenote.inputs import TextEncoder
from cenote.inputs.messages import join_parts, readable_messages
from cenote.media import MediaCache
from cenote.poolers import Pooler
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

__all__ = ["DualTowerModel"]


class DualTowerModel(TextReader):
    """Embeds texts and images, one of them per prompt."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        stack: TextStack,
        *,
        rule: TextRule,
        project: Callable[[Tensor], Tensor],
        images: FixedImages,
        tower: FixedTower,
        cache: MediaCache,
        pooler: Pooler,
        size: int,
        facts: dict[str, str],
    ) -> None:
        """Put the parts together.

        Args:
            checkpoint: for its stored prompts.
            stack: the text tower with its tokenizer.
            rule: which token stands for a text.
            project: hidden states [n, hidden] of these tokens to vectors [n, size].
            images: makes pixels.
            tower: makes vectors [1, size] of pixels.
            cache: of pixels.
            pooler: takes the last row of each prompt.
            size: components of a vector.
            facts: what `report` says beside those of the parts.
        """
        self.pooler = pooler
        self.media_cache = cache
        self.tokenizer = stack.tokenizer
        self._stack, self._rule, self._project = stack, rule, project
        self._images, self._tower, self._size = images, tower, size
        files = checkpoint.sentence_transformers
        self._encoder = TextEncoder(
            stack.tokenizer,
            max_tokens=stack.max_tokens.value,
            vocab_size=stack.vocabulary,
            lower_case=files.do_lower_case if files else False,
        )
        self._prompts = choose_prompts(checkpoint, known=stack.known_prompts)
        self.limits = ModelLimits(
            max_tokens=stack.max_tokens.value,
            embedding_size=size,
            hidden_size=size,
            max_token_id=self._encoder.max_token_id,
            modalities=("text", "image"),
            pad_token_id=stack.tokenizer.pad_token_id or 0,
        )
        self._facts = {
            "tasks": "embed",
            **facts,
            "text vector": str(rule),
            "image size": " x ".join(map(str, images.tile)),
            "modalities": "text, image",
            **self._prompts.facts(),
            **stack.facts(),
            "vision tower": tower.execution,
        }

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a text, or prepare an image.

        A conversation stands for its content, unless a chat template writes it. An image counts as one token per patch,
        so that batches are measured rightly.

        Raises:
            PromptTooLong: a text has more tokens than the model takes, and may not be cut.
            InvalidRequest: the prompt has both a text and an image, several images, or is a pair; or the image cannot
                be decoded.
            ModelNotFound: a low-rank adapter was asked for.
        """
        if params.lora is not None:
            raise ModelNotFound(f"There is no low-rank adapter {params.lora!r}: this model takes none.")
        _check_form(prompt)
        if prompt.messages is not None and (prompt.media or not self._has_template(tokenization)):
            prompt = _content(prompt)
        if prompt.media:
            return self._see(prompt)
        prefix = self._prompts.prefix(prompt, role, params)
        options = self._with_template(tokenization)
        return self._rule.finish(self._encoder.encode(prompt, options, prefix=prefix, role=role))

    def _see(self, prompt: Prompt) -> PreparedInput:
        """Prepare the one image of a prompt."""
        if prompt.text or prompt.token_ids:
            raise InvalidRequest(
                "This model reads a text or an image, each by itself. Send two prompts, and compare or add their "
                "vectors as you like."
            )
        (item, *others) = prompt.media
        if others:
            raise InvalidRequest(f"This model reads one image per prompt; this one has {len(prompt.media)}.")
        if item.kind != "image":
            raise InvalidRequest("This model takes no embeddings of images. Send the image.", param=item.kind)
        pixels = self._images.prepare(item.value, self.media_cache)
        tokens = (self.limits.pad_token_id,) * self._image_tokens
        return PreparedInput(token_ids=tokens, media=(pixels,))

    @property
    def _image_tokens(self) -> int:
        embeddings: Any = self._tower.model.embeddings
        return int(embeddings.num_positions)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return [T, size]: the last row of each prompt is its vector, the others are zero."""
        media = batch.media or ((),) * len(batch.lengths)
        seen = [index for index, items in enumerate(media) if items]
        read = [index for index, items in enumerate(media) if not items]
        ends = batch.cu_seq_lens_q[1:].long() - 1
        rows = torch.zeros(len(batch.input_ids), self._size, dtype=self._tower.model.dtype, device=ends.device)
        if read:
            texts = select(batch, read)
            rows[ends[read]] = self._project(self._stack.backbone(texts)[self._rule.places(texts)])
        if seen:
            made = self._tower([item for index in seen for item in media[index]])
            rows[ends[seen]] = torch.cat(made)
        return rows

    def _has_template(self, options: TokenizationOptions) -> bool:
        asked = options.chat.template if options.chat else None
        return (asked or self._stack.chat_template or self.tokenizer.chat_template) is not None

    def _with_template(self, options: TokenizationOptions) -> TokenizationOptions:
        """Put the user's chat template where a request has none."""
        own, chat = self._stack.chat_template, options.chat or ChatOptions()
        if own is None or chat.template is not None:
            return options
        return replace(options, chat=replace(chat, template=own))


def _check_form(prompt: Prompt) -> None:
    """Refuse what such a model cannot read.

    Raises:
        InvalidRequest: as said.
    """
    if prompt.text_pair is not None:
        raise InvalidRequest("This model reads one text at a time; it has no use for text_pair.", param="text_pair")
    if prompt.chunk_ends:
        raise InvalidRequest("A text has one vector here, of its end token; late chunking means nothing.")


def _content(prompt: Prompt) -> Prompt:
    """Return the texts of all messages, one after the other, and the media.

    Source: the chat template of vLLM 0.32 for CLIP puts nothing between messages.
    """
    assert prompt.messages is not None
    messages = readable_messages(prompt.messages, kinds=("image",))
    texts = [join_parts(message, {"image": ""})["content"] or "" for message in messages]
    return replace(prompt, messages=None, text="".join(texts).strip("\n") if prompt.media else "".join(texts))
