"""Language models as classifiers: the logits of a few words at the last token."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

from cenote.adapters.activation import resolve_activation
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_pooler import build_classifier
from cenote.adapters.classify_replay import ReplayedHead, replay_base
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.lm_words import LmWords, find_words
from cenote.adapters.pairs import choose_pairs
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.config import first_set
from cenote.errors import CheckpointError
from cenote.poolers import Logits, get_method
from cenote.poolers.methods import PoolingMethod
from cenote.types import PoolingBatch

__all__ = ["LmClassifierAdapter"]

_log = logging.getLogger(__name__)


class LmClassifierAdapter:
    """Causal language models that judge by words: of `classifier_from_token`, or of a stored `LogitScore` module."""

    #: Words of a model that needs no config keys, negative before positive.
    words: ClassVar[Sequence[str] | None] = None
    #: The value is the difference of two logits.
    difference: ClassVar[bool] = True
    #: `identity`, `sigmoid` or `softmax` where no file names an activation; None is by the number of labels.
    default_activation: ClassVar[str | None] = None
    #: Family of `KNOWN_TEMPLATES` that the model's prompts belong to.
    known_template: ClassVar[str | None] = None

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option or a config key does not fit the checkpoint.
        """
        dtype = resolve_dtype(options.dtype, checkpoint, options.device)
        base: Any = load_backbone(
            checkpoint, build_config(checkpoint), dtype=dtype.value, device=options.device, attn_implementation=None
        )
        with torch.inference_mode():
            example = base(input_ids=torch.zeros(1, 1, dtype=torch.long, device=options.device))
        stack = load_stack(checkpoint, options, whole=base)
        words = find_words(checkpoint, stack.tokenizer, cls.words, cls.difference)
        head = word_head(checkpoint, stack, words.ids, type(example), options.device)
        method = first_set(user=options.pooler_config.seq_pooling_type, default="LAST")
        is_qwen3 = bool(checkpoint.config.get("is_original_qwen3_reranker"))
        known = cls.known_template or ("qwen3-reranker" if is_qwen3 else None)
        pairs = choose_pairs(checkpoint, stack.tokenizer, options, known=known, separated=False)
        if is_qwen3 and pairs.template is None:
            _log.warning("Qwen3-Reranker is scored without a prompt template; give one with --chat-template")
        classifier = build_classifier(
            options.pooler_config,
            resolve_activation(
                checkpoint.config,
                len(words.labels),
                compat=options.compat,
                default=cls.default_activation,
                own=checkpoint.settings_value("activation_fn"),
            ),
            words.labels,
            sequence=_sequence_logits(head, get_method(method.value), words),
            token=_token_logits(head, words),
        )
        return TextPoolingModel(
            stack,
            checkpoint,
            pooler=classifier.pooler,
            embedding_size=stack.hidden_size,
            labels=words.labels,
            token_pooling=classifier.token_pooling,
            pairs=pairs,
            facts={"head": _described(words), "pooling": str(method), **classifier.facts},
        )


def word_head(
    checkpoint: Checkpoint, stack: TextStack, ids: Sequence[int], output_class: type[Any], device: str
) -> ReplayedHead:
    """Build the output layer of a language model for a few words only, with whatever its class does to logits.

    Args:
        checkpoint: for the rows of the output layer, where it is not the embedding table.
        stack: the loaded base model.
        ids: of the words.
        output_class: what the base model returns.
        device: where the head computes.

    Raises:
        CheckpointError: transformers has no language model for this config, it has parts beside one linear output
            layer, or the files lack that layer.
    """
    config: Any = stack.config
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if model_class is None:
        raise CheckpointError(
            f"{checkpoint.name!r}: transformers has no language model for model_type {config.model_type!r}. Install a "
            "plugin for this model."
        )
    with torch.device("meta"):
        whole: Any = model_class(config)
    layer = whole.get_output_embeddings()
    base = whole.base_model
    if type(base) is not type(stack.base) or not isinstance(layer, nn.Linear):
        raise CheckpointError(
            f"{type(whole).__name__} is not a plain output layer on {type(stack.base).__name__}. Install a plugin for "
            "this model."
        )
    whole.set_output_embeddings(_rows(checkpoint, stack, whole, layer, ids, device))
    head = replay_base(whole, base, output_class)
    if any(value.is_meta for value in (*whole.parameters(), *whole.buffers())):
        raise CheckpointError(f"{type(whole).__name__} has more than an output layer. Install a plugin for this model.")
    return head


def _rows(
    checkpoint: Checkpoint, stack: TextStack, whole: Any, layer: nn.Linear, ids: Sequence[int], device: str
) -> nn.Linear:
    """Return the output layer for some words, from the files or from the embedding table that it is tied to."""
    name = next(name for name, module in whole.named_modules() if module is layer)
    if getattr(stack.config, "tie_word_embeddings", False):
        table = stack.base.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        weight = table.weight[list(ids)]
    else:
        weight = checkpoint.read_rows(f"{name}.weight", ids)
    small = nn.Linear(weight.shape[1], len(ids), bias=layer.bias is not None, device=device, dtype=torch.float32)
    with torch.no_grad():
        small.weight.copy_(weight)
        if layer.bias is not None:
            small.bias.copy_(checkpoint.read_rows(f"{name}.bias", ids))
    return small.requires_grad_(False)


def _sequence_logits(head: ReplayedHead, method: PoolingMethod, words: LmWords) -> Logits:
    def logits(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        rows = method(hidden, batch.lengths, [row.pooling_skip for row in batch.rows])
        return _values(head, rows, words)

    return logits


def _token_logits(head: ReplayedHead, words: LmWords) -> Logits:
    return lambda hidden, batch: _values(head, hidden, words)


def _values(head: ReplayedHead, rows: Tensor, words: LmWords) -> Tensor:
    """Return [n, labels] of rows [n, h]. No token ids are needed: an output layer takes every row by itself."""
    logits = head(rows[None], torch.zeros(1, len(rows), dtype=torch.long, device=rows.device))[0]
    return logits[:, 1:] - logits[:, :1] if words.difference else logits


def _described(words: LmWords) -> str:
    ids = ", ".join(str(number) for number in words.ids)
    how = "logit of the second minus the first" if words.difference else "logits"
    return f"{how} of the vocabulary entries {ids} ({words.source})"
