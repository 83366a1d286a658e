"""Qwen3-VL as a reranker: the probability of "yes" against "no" behind a query and a document, each with images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

from cenote.adapters.activation import resolve_activation
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_pooler import build_classifier
from cenote.adapters.lm_words import find_words
from cenote.adapters.pairs import choose_pairs
from cenote.adapters.qwen_vl.composing import Composer
from cenote.adapters.qwen_vl.layouts import plain_layouts
from cenote.adapters.qwen_vl.model import VisualPoolingModel
from cenote.adapters.qwen_vl.pairs import PairWriter, Side
from cenote.adapters.qwen_vl.published import RERANKER, load_parts
from cenote.adapters.qwen_vl.seeing import Seen
from cenote.adapters.qwen_vl.words import sequence_logits, token_logits, word_rows
from cenote.adapters.qwen_vl.writing import Room, Written
from cenote.checkpoints import Checkpoint
from cenote.config import first_set
from cenote.errors import InvalidRequest
from cenote.inputs import ChatPairTemplate
from cenote.poolers import get_method
from cenote.types import ChatOptions, PoolingParams, Prompt, Role, TokenizationOptions

__all__ = ["Qwen3VLReranker", "Qwen3VLRerankerAdapter"]

_log = logging.getLogger(__name__)
_FAMILY = "qwen3-vl-reranker"


class Qwen3VLReranker(VisualPoolingModel):
    """Reads pairs by a template; anything else as it is."""

    @cached_property
    def _pair_writer(self) -> PairWriter:
        return PairWriter(self._composer.chat)

    def _write(
        self,
        prompt: Prompt,
        role: Role,
        params: PoolingParams,
        options: TokenizationOptions,
        seen: Sequence[Seen],
        room: Room,
    ) -> tuple[Written, int]:
        if prompt.text_pair is None or self._pairs is None:
            return super()._write(prompt, role, params, options, seen, room)
        if room.from_end:
            text = "truncation_side is 'left', but pairs of this model are cut at the end of the document only."
            raise InvalidRequest(text, param="truncation_side")
        instruction = self._prompts.prefix(prompt, None, params) or None
        (first, second), removed = self._encoder.shorten(prompt, options, None)
        chat = options.chat or ChatOptions()
        template = self._pairs.template if chat.template is None else ChatPairTemplate()
        if template is None and (chat.instruction or instruction):
            text = "Pairs are read without a prompt template, so that an instruction has no place. Leave it out."
            raise InvalidRequest(text, param="instruction")
        split = len(self._reader.measure(prompt.media[: prompt.first_media]))
        query, document = Side(first, seen[:split]), Side(second or "", seen[split:])
        written = self._pair_writer.write(query, document, template, chat, instruction)
        return self._composer.with_frames(written, seen), removed


class Qwen3VLRerankerAdapter:
    """Loads Qwen3-VL with two rows of its output layer."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> Qwen3VLReranker:
        """Load a checkpoint.

        With `compat="vllm"`, pairs are written by the user's chat template only, and the sizes of images are those of
        the files.

        Raises:
            CheckpointError: weights or files are missing or do not fit, or nothing says which words judge.
            InvalidRequest: an option or a config key does not fit the checkpoint.
        """
        named = RERANKER.matches(checkpoint)
        published = named or bool(checkpoint.config_value("is_original_qwen3_reranker"))
        parts = load_parts(checkpoint, options, RERANKER if published and options.compat != "vllm" else None)
        stack = parts.visual.stack
        words = find_words(checkpoint, stack.tokenizer, ("no", "yes") if named else None)
        rows = word_rows(checkpoint, stack, words, options.device)
        method = first_set(user=options.pooler_config.seq_pooling_type, default="LAST")
        known = _FAMILY if published else None
        pairs = choose_pairs(checkpoint, stack.tokenizer, options, known=known, separated=False)
        if published and pairs.template is None:
            _log.warning("%s is scored without a prompt template; give one with --chat-template", RERANKER.name)
        classifier = build_classifier(
            options.pooler_config,
            resolve_activation(
                checkpoint.config,
                len(words.labels),
                compat=options.compat,
                own=checkpoint.settings_value("activation_fn"),
            ),
            words.labels,
            sequence=sequence_logits(rows, get_method(method.value)),
            token=token_logits(rows),
        )
        ids = ", ".join(map(str, words.ids))
        how = "logit of the second minus the first" if words.difference else "logits"
        return Qwen3VLReranker(
            parts.visual,
            stack,
            checkpoint,
            composer=Composer.of(plain_layouts(("image",)), stack.tokenizer, stack.chat_template),
            reader=parts.reader,
            prompt_limits=parts.limits,
            changes={"max_tokens": parts.limits.document.value, "modalities": ("text", "image")},
            pooler=classifier.pooler,
            embedding_size=stack.hidden_size,
            labels=words.labels,
            token_pooling=classifier.token_pooling,
            pairs=pairs,
            facts={
                "head": f"{how} of the vocabulary entries {ids} ({words.source})",
                "pooling": str(method),
                **parts.facts,
                **classifier.facts,
            },
        )
