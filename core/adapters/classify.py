"""The generic adapters for classifiers: any `...ForSequenceClassification` or `...ForTokenClassification`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import transformers
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

from cenote.adapters.activation import resolve_activation
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_head import (
    choose_sequence_head,
    choose_token_head,
    pooled_rows,
    single_tokens,
    token_id,
)
from cenote.adapters.classify_load import HeadedModel, load_headed
from cenote.adapters.classify_pooled import gives_scores, load_pooled_classifier
from cenote.adapters.classify_pooler import build_classifier, label_names
from cenote.adapters.pairs import choose_pairs
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config
from cenote.errors import CheckpointError
from cenote.poolers import Logits, get_method
from cenote.registry.markers import marker_holds

__all__ = ["SequenceClassifierAdapter", "TokenClassifierAdapter"]


class _Headed:
    """A transformers class with a head: the base model runs packed, the head on the rows it needs."""

    suffix: ClassVar[str]
    mapping: ClassVar[Any]

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, options: LoadOptions, *, known_template: str | None = None
    ) -> TextPoolingModel:
        """Load a checkpoint.

        Args:
            checkpoint: the opened checkpoint.
            options: what the user asked for.
            known_template: family of `KNOWN_TEMPLATES` that the model's prompts belong to.

        Raises:
            CheckpointError: weights or files are missing or do not fit, or the head cannot be run apart from its
                base model.
            InvalidRequest: an option does not fit the checkpoint.
        """
        model = load_headed(checkpoint, options, cls.model_class(checkpoint))
        stack = model.stack
        sequence, token, pooling = cls.logits(model, options)
        labels = label_names(stack.config)
        activation = resolve_activation(
            checkpoint.config,
            len(labels),
            compat=options.compat,
            default="identity" if _is_reward(checkpoint, labels) else None,
            own=checkpoint.settings_value("activation_fn"),
        )
        classifier = build_classifier(options.pooler_config, activation, labels, sequence=sequence, token=token)
        return TextPoolingModel(
            stack,
            checkpoint,
            pooler=classifier.pooler,
            embedding_size=stack.hidden_size,
            labels=labels,
            token_pooling=classifier.token_pooling,
            pairs=choose_pairs(checkpoint, stack.tokenizer, options, known=known_template),
            facts={"head": f"{type(stack.whole).__name__} on {pooling}", **classifier.facts},
        )

    @classmethod
    def model_class(cls, checkpoint: Checkpoint) -> Any:
        """Return the transformers class that the checkpoint names, else the one for its config.

        Raises:
            CheckpointError: transformers has none.
        """
        for name in checkpoint.architectures:
            if name.endswith(cls.suffix) and hasattr(transformers, name):
                return getattr(transformers, name)
        config = build_config(checkpoint)
        found = cls.mapping.get(type(config), None)
        if found is None:
            raise CheckpointError(
                f"{checkpoint.name!r}: transformers has no class ...{cls.suffix} for model_type "
                f"{config.model_type!r}. Install a plugin for this model."
            )
        return found

    @classmethod
    def logits(cls, model: HeadedModel, options: LoadOptions) -> tuple[Logits | None, Logits | None, str]:
        """Return the logits of prompts, those of tokens, and what the head runs on."""
        raise NotImplementedError


class SequenceClassifierAdapter(_Headed):
    """Classes that give one row of labels per text. Their head can also judge every token."""

    suffix = "ForSequenceClassification"
    mapping = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, options: LoadOptions, *, known_template: str | None = None
    ) -> TextPoolingModel:
        """Load a checkpoint; see `_Headed.load`. A pipeline of sentence-transformers that ends in scores counts too."""
        if gives_scores(checkpoint):
            return load_pooled_classifier(checkpoint, options)
        return super().load(checkpoint, options, known_template=known_template)

    @classmethod
    def logits(cls, model: HeadedModel, options: LoadOptions) -> tuple[Logits | None, Logits | None, str]:
        """Find out which rows the head needs; a pooling method that the user chose wins."""
        width, head = model.stack.hidden_size, model.head
        tokens = single_tokens(head, model.probes, width, options.device)
        method = options.pooler_config.seq_pooling_type
        if method is not None:
            return pooled_rows(head, get_method(method)), tokens, f"{method} (user)"
        pad = None if options.compat == "vllm" else token_id(model.stack.config.get_text_config(), "pad_token_id")
        chosen = choose_sequence_head(head, model.probes, width, options.device, pad=pad)
        return chosen.logits, tokens, chosen.name


class TokenClassifierAdapter(_Headed):
    """Classes that give one row of labels per token."""

    suffix = "ForTokenClassification"
    mapping = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    @classmethod
    def logits(cls, model: HeadedModel, options: LoadOptions) -> tuple[Logits | None, Logits | None, str]:
        """Find out whether the head may see all tokens of a batch at once."""
        chosen = choose_token_head(model.head, model.probes, model.stack.hidden_size, options.device)
        return None, chosen.logits, chosen.name


def _is_reward(checkpoint: Checkpoint, labels: Sequence[str]) -> bool:
    """Tell by its name whether a model of one label gives rewards, which are meant as they are.

    Source: model cards of Skywork-Reward, which read `logits[0][0]`.
    """
    return len(labels) == 1 and marker_holds("name:*reward*", checkpoint)
