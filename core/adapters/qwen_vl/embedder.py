"""Qwen3-VL as an embedder: Qwen3-VL-Embedding with its prompts, and any other language model of this kind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from cenote.adapters.base import LoadOptions
from cenote.adapters.head import build_pooler
from cenote.adapters.matryoshka import matryoshka_sizes
from cenote.adapters.qwen_vl.composing import Composer
from cenote.adapters.qwen_vl.instructions import DEFAULT_INSTRUCTION, instructed_layouts, special_texts
from cenote.adapters.qwen_vl.layouts import plain_layouts
from cenote.adapters.qwen_vl.model import VisualPoolingModel
from cenote.adapters.qwen_vl.published import EMBEDDING, load_parts, model_facts
from cenote.adapters.qwen_vl.seeing import Seen
from cenote.adapters.qwen_vl.writing import Room, Written
from cenote.checkpoints import Checkpoint
from cenote.inputs import Located
from cenote.tasks import check_dimensions
from cenote.types import ChatOptions, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["Qwen3VLEmbedder", "Qwen3VLEmbedderAdapter"]

_log = logging.getLogger(__name__)


class Qwen3VLEmbedder(VisualPoolingModel):
    """Reads a stored prompt, or one of the request, as the instruction in the system message."""

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Write a prompt by the layout of its kind, tokenise it and prepare its media.

        A conversation of a system message and one more is what the reference makes of an instruction and an input.

        Raises:
            PromptTooLong: more tokens than the model takes, and the text may or can not be cut.
            InvalidRequest: the prompt cannot be answered as asked.
            ModelNotFound: the low-rank adapter that it asks for is not loaded.
        """
        asks = params.prompt is not None or params.prompt_name is not None
        instruction = None if asks else self._told(prompt, tokenization)
        if instruction is not None:
            prompt = replace(prompt, messages=(prompt.messages or ())[1:])
            chat = replace(tokenization.chat or ChatOptions(), instruction=instruction)
            tokenization = replace(tokenization, chat=chat)
        return super().prepare(prompt, role, params, tokenization)

    def _told(self, prompt: Prompt, options: TokenizationOptions) -> str | None:
        """Return the instruction that a conversation begins with; None where it is no instruction and an input."""
        messages = prompt.messages or ()
        if len(messages) != 2 or messages[0]["role"] != "system" or messages[1]["role"] in ("system", "assistant"):
            return None
        if (options.chat is not None and options.chat.instruction) or not self._composer.is_content(
            messages[1:], options
        ):
            return None
        content = messages[0].get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if any(part.get("type") != "text" for part in parts):
            return None
        return "\n".join(part["text"] for part in parts)

    def _write(
        self,
        prompt: Prompt,
        role: Role,
        params: PoolingParams,
        options: TokenizationOptions,
        seen: Sequence[Seen],
        room: Room,
    ) -> tuple[Written, int]:
        if prompt.messages is not None or self._composer.layouts.is_plain:
            return super()._write(prompt, role, params, options, seen, room)
        asked = options.chat.instruction if options.chat is not None else None
        instruction = asked or self._prompts.prefix(replace(prompt, text=prompt.text or ""), role, params)
        (text, _), removed = self._encoder.shorten(prompt, options, role)
        composer = self._instructed(instruction)
        end, is_layout = room.from_end, prompt.is_layout
        return composer.write(text, seen, role, options, from_end=end, is_layout=is_layout), removed

    def locate(
        self, text: str, role: Role | None, params: PoolingParams, *, add_special_tokens: bool = True
    ) -> Located:
        """Tokenise a whole text as its layout does, and say which characters each token stands for.

        Raises:
            InvalidRequest: the text is not valid Unicode, or the stored prompt asked for is unknown.
        """
        if self._composer.layouts.is_plain:
            return super().locate(text, role, params, add_special_tokens=add_special_tokens)
        composer = self._instructed(self._prompts.prefix(Prompt(text=text), role, params))
        options = TokenizationOptions(add_special_tokens=add_special_tokens)
        written = composer.write(text, (), role or "document", options, from_end=False)
        return self._writer.locate(written, text, prefix=0)

    @cached_property
    def _around(self) -> tuple[str, str]:
        return special_texts(self.tokenizer)

    def _instructed(self, instruction: str) -> Composer:
        return replace(self._composer, layouts=instructed_layouts(instruction, self._around))


class Qwen3VLEmbedderAdapter:
    """Loads Qwen3-VL without its output layer."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> Qwen3VLEmbedder:
        """Load a checkpoint.

        A model called Qwen3-VL-Embedding reads prompts and images as its own code does, unless `compat="vllm"`: then,
        as for every other model, texts are read as they are, with images right in front.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        known = EMBEDDING.matches(checkpoint)
        own = EMBEDDING if known and options.compat != "vllm" else None
        _warn_of_plain_language_model(checkpoint, known)
        parts = load_parts(checkpoint, options, own)
        stack = parts.visual.stack
        pooling = build_pooler(
            checkpoint,
            options.pooler_config,
            default_method="LAST",
            hidden_size=stack.hidden_size,
            device=options.device,
        )
        around = special_texts(stack.tokenizer)
        layouts = plain_layouts(("image",)) if own is None else instructed_layouts(DEFAULT_INSTRUCTION, around)
        cuts, sizes = matryoshka_sizes(checkpoint)
        facts: dict[str, Any] = {
            "pooling": pooling.method,
            "normalize": pooling.normalize,
            "embedding size": pooling.embedding_size,
        }
        model = Qwen3VLEmbedder(
            parts.visual,
            stack,
            checkpoint,
            composer=Composer.of(layouts, stack.tokenizer, stack.chat_template),
            reader=parts.reader,
            prompt_limits=parts.limits,
            changes={
                "max_tokens": parts.limits.document.value,
                "modalities": ("text", "image"),
                "is_matryoshka": cuts or own is not None,
                "matryoshka_dimensions": sizes,
            },
            pooler=pooling.pooler,
            embedding_size=pooling.embedding_size,
            include_prompt=pooling.include_prompt,
            token_pooling=pooling.token_pooling,
            facts={
                **{key: str(value) for key, value in facts.items()},
                **model_facts(layouts, own, options.compat),
                **parts.facts,
            },
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


def _warn_of_plain_language_model(checkpoint: Checkpoint, known: bool) -> None:
    """Say that a language model became an embedder although neither its files nor its name call it one."""
    generates = any(name.endswith("ForConditionalGeneration") for name in checkpoint.architectures)
    if known or not generates or checkpoint.sentence_transformers is not None:
        return
    _log.warning(
        "%s is a language model, and neither its name nor a file says that it was trained to embed; its vectors may "
        "mean little, and its prompts are read as they are. A model made of Qwen3-VL-Embedding needs that in its name.",
        checkpoint.name,
    )
