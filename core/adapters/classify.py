"""The generic adapters for classifiers: any `...ForSequenceClassification` or `...ForTokenClassification`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import transformers
from torch import Tensor
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

from cenote.adapters.activation import resolve_activation
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_head import (
    ChosenHead,
    choose_sequence_head,
    choose_token_head,
    head_probes,
    pooled_rows,
    single_tokens,
)
from cenote.adapters.classify_pooled import gives_scores, load_pooled_classifier
from cenote.adapters.classify_pooler import build_classifier, label_names
from cenote.adapters.classify_replay import ReplayedHead, build_replay
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.pairs import choose_pairs
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.errors import CheckpointError
from cenote.poolers import Logits, get_method
from cenote.registry.markers import marker_holds

__all__ = ["SequenceClassifierAdapter", "TokenClassifierAdapter"]

#: Largest difference to the complete model, relative to the largest logit; in short formats the model's own head
#: rounds, and the one here does not.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 8e-2}

_NO_HEAD = (
    "If the checkpoint was never trained to classify, train a head first, or make a classifier of its language "
    "model's own words: hf_overrides={'classifier_from_token': ['no', 'yes'], 'method': 'from_2_way_softmax'}."
)


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
        stack, head = load_headed(checkpoint, options, cls.model_class(checkpoint))
        sequence, token, pooling = cls.logits(stack, head, options)
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
    def logits(
        cls, stack: TextStack, head: ReplayedHead, options: LoadOptions
    ) -> tuple[Logits | None, Logits | None, str]:
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
    def logits(
        cls, stack: TextStack, head: ReplayedHead, options: LoadOptions
    ) -> tuple[Logits | None, Logits | None, str]:
        """Find out which rows the head needs; a pooling method that the user chose wins."""
        tokens = single_tokens(head, stack.config, stack.hidden_size, options.device)
        method = options.pooler_config.seq_pooling_type
        if method is not None:
            return pooled_rows(head, get_method(method)), tokens, f"{method} (user)"
        chosen: ChosenHead = choose_sequence_head(
            head, stack.config, stack.hidden_size, options.device, padding_counts=options.compat == "vllm"
        )
        return chosen.logits, tokens, chosen.name


class TokenClassifierAdapter(_Headed):
    """Classes that give one row of labels per token."""

    suffix = "ForTokenClassification"
    mapping = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    @classmethod
    def logits(
        cls, stack: TextStack, head: ReplayedHead, options: LoadOptions
    ) -> tuple[Logits | None, Logits | None, str]:
        """Find out whether the head may see all tokens of a batch at once."""
        chosen = choose_token_head(head, stack.config, stack.hidden_size, options.device)
        return None, chosen.logits, chosen.name


def _is_reward(checkpoint: Checkpoint, labels: Sequence[str]) -> bool:
    """Tell by its name whether a model of one label gives rewards, which are meant as they are.

    Source: model cards of Skywork-Reward, which read `logits[0][0]`.
    """
    return len(labels) == 1 and marker_holds("name:*reward*", checkpoint)


def load_headed(checkpoint: Checkpoint, options: LoadOptions, model_class: Any) -> tuple[TextStack, ReplayedHead]:
    """Load a class with a head, and take the head apart from its base model.

    Args:
        checkpoint: the opened checkpoint.
        options: what the user asked for.
        model_class: transformers class with a head.

    Returns:
        The base model, ready to run packed, and the head.

    Raises:
        CheckpointError: tensors are missing, or head and base model together do not give what the complete model gives.
    """
    whole: Any = load_backbone(
        checkpoint,
        build_config(checkpoint),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        model_class=model_class,
        allowed_missing=(),
        keep_pooler=True,
        hint=_NO_HEAD,
    )
    base = whole.base_model
    probes = [torch.tensor([ids], device=options.device) for ids in head_probes(whole.config)]
    with torch.inference_mode():
        expected, examples = _complete(whole, base, probes)
    replace = build_replay(whole, base, examples[0])
    stack = load_stack(checkpoint, options, whole=whole)
    head = replace()
    with torch.inference_mode():
        found = [head(part.last_hidden_state.float(), ids) for part, ids in zip(examples, probes, strict=True)]
    largest = max(float(logits.abs().max()) for logits in expected)
    difference = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    if not difference <= _TOLERANCE.get(stack.dtype.value, 1e-4) * max(largest, 1e-6):
        raise CheckpointError(
            f"The head of {type(whole).__name__} needs more of its base model than the last hidden states, so that it "
            "cannot be run on packed batches. Install a plugin for this model."
        )
    return stack, head


def _complete(whole: Any, base: Any, probes: list[Tensor]) -> tuple[list[Tensor], list[Any]]:
    """Run the complete model, and its base model, by their own attention on one sequence after the other."""
    logits, outputs = [], []
    try:
        for ids in probes:
            logits.append(whole(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float())
            outputs.append(base(input_ids=ids, attention_mask=torch.ones_like(ids)))
    except Exception as exc:
        # A foreign model may raise anything; it means that the generic adapter does not know how to call it.
        raise CheckpointError(
            f"{type(whole).__name__} cannot be run by the generic adapter ({type(exc).__name__}: {exc}). Install a "
            "plugin for this model."
        ) from exc
    return logits, outputs
