"""Qwen2.5-Math's reward models: of a whole solution, and of its steps."""

from __future__ import annotations

from typing import Any

from cenote_reward.classes import Qwen2ProcessReward, Qwen2Reward
from cenote_reward.pooling import ProcessReward, classifier_head, reward_pooler, value_function

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.config import Resolved
from cenote.errors import CheckpointError
from cenote.poolers import StepRows

__all__ = ["ProcessRewardAdapter", "RewardAdapter"]

#: Ends a step in Qwen2.5-Math-PRM's prompts, and its id there.
STEP_TOKEN = "<extra_0>"
STEP_TOKEN_ID = 151651


class RewardAdapter:
    """Loads `Qwen2ForRewardModel`: one raw number, read at the last token."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _stack(checkpoint, options, Qwen2Reward)
        head, activation = classifier_head(checkpoint.config, options, outputs=1, use_activation=False)
        wanted = options.pooler_config
        method = wanted.seq_pooling_type or "LAST"
        steps = StepRows(tag_id=wanted.step_tag_id, columns=wanted.returned_token_ids)
        return TextPoolingModel(
            stack,
            checkpoint,
            pooler=reward_pooler(
                value_function(stack.whole.score),
                head,
                method=method,
                steps=steps if wanted.tok_pooling_type == "STEP" else None,
            ),
            embedding_size=1,
            facts={"pooling": method, "activation": str(activation) if head.use_activation else "none"},
        )


class ProcessRewardAdapter:
    """Loads `Qwen2ForProcessRewardModel`: the probability that each step is right."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        stack = _stack(checkpoint, options, Qwen2ProcessReward)
        head, activation = classifier_head(checkpoint.config, options, outputs=2, use_activation=True)
        tag = _step_tag(stack, options)
        steps = StepRows(tag_id=tag.value, columns=options.pooler_config.returned_token_ids)
        every = options.pooler_config.tok_pooling_type == "ALL"
        pooler = ProcessReward(
            value_function(stack.whole.score),
            head,
            StepRows(columns=steps.columns) if every else steps,
            both=options.compat == "vllm",
        )
        return TextPoolingModel(
            stack,
            checkpoint,
            pooler=pooler,
            embedding_size=1,
            facts={
                "pooling": "ALL" if every else "STEP",
                "step tag": str(tag),
                "activation": str(activation) if head.use_activation else "none",
            },
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
