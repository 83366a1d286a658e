"""Qwen2.5-Math's reward models: of a whole solution, and of its steps."""

from __future__ import annotations

from typing import Any

from cenote.adapters import LoadOptions
from cenote.adapters.activation import resolve_activation
from cenote.adapters.classify_pooler import build_classifier
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.stack import TextStack, load_stack
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.config import Resolved, first_set
from cenote.errors import CheckpointError
from cenote.poolers import StepRows
from cenote_reward.classes import Qwen2ProcessReward, Qwen2Reward
from cenote_reward.model import RewardModel
from cenote_reward.pooling import RightProbability, prompt_logits, token_logits, value_function

__all__ = ["ProcessRewardAdapter", "RewardAdapter"]

#: Ends a step in Qwen2.5-Math-PRM's prompts, and its id there.
STEP_TOKEN = "<extra_0>"
STEP_TOKEN_ID = 151651


class RewardAdapter:
    """Loads `Qwen2ForRewardModel`: one raw number, read at the last token."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> RewardModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _stack(checkpoint, options, Qwen2Reward)
        method = first_set(user=options.pooler_config.seq_pooling_type, default="LAST")
        values = value_function(stack.whole, "score")
        classifier = build_classifier(
            options.pooler_config,
            resolve_activation(checkpoint.config, 1, compat=options.compat),
            ("reward",),
            sequence=prompt_logits(values, method.value),
            token=token_logits(values),
            use_activation=False,
        )
        return RewardModel(
            stack,
            checkpoint,
            pooler=classifier.pooler,
            embedding_size=stack.hidden_size,
            labels=("reward",),
            token_pooling=classifier.token_pooling,
            facts={"pooling": str(method), **classifier.facts},
        )


class ProcessRewardAdapter:
    """Loads `Qwen2ForProcessRewardModel`: the probability that each step is right."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> RewardModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _stack(checkpoint, options, Qwen2ProcessReward)
        wanted = options.pooler_config
        tag = _step_tag(stack, options)
        classifier = build_classifier(
            wanted,
            resolve_activation(checkpoint.config, 2, compat=options.compat),
            ("wrong", "right"),
            sequence=None,
            token=token_logits(value_function(stack.whole, "score")),
            steps=StepRows(tag_id=tag.value),
        )
        pooler = RightProbability(
            classifier.pooler,
            activated=wanted.use_activation is not False,
            columns=wanted.returned_token_ids is not None,
        )
        return RewardModel(
            stack,
            checkpoint,
            pooler=classifier.pooler if options.compat == "vllm" else pooler,
            embedding_size=stack.hidden_size,
            labels=("wrong", "right"),
            token_pooling=classifier.token_pooling,
            facts={"step tag": str(tag), **classifier.facts},
        )


def _stack(checkpoint: Checkpoint, options: LoadOptions, model_class: Any) -> TextStack:
    """Load backbone and head strictly; a stored `lm_head.weight` is not used."""
    whole = load_backbone(
        checkpoint,
        build_config(checkpoint),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        model_class=model_class,
        allowed_missing=(),
    )
    return load_stack(checkpoint, options, whole=whole)


def _step_tag(stack: TextStack, options: LoadOptions) -> Resolved[int]:
    """Return the id of the token that ends a step: the user's, else that of `<extra_0>`, else the published one."""
    asked = options.pooler_config.step_tag_id
    if asked is not None:
        return Resolved(asked, "user")
    found = stack.tokenizer.get_vocab().get(STEP_TOKEN)
    if found is not None:
        return Resolved(int(found), "model_default")
    if STEP_TOKEN_ID < stack.vocabulary:
        return Resolved(STEP_TOKEN_ID, "pooler_default")
    raise CheckpointError(
        f"The tokenizer has no {STEP_TOKEN!r}, and the model no token {STEP_TOKEN_ID}. Name the token that ends a step "
        "with pooler_config={'step_tag_id': ...}."
    )
