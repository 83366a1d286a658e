"""InternLM2 reward models: Llama's arithmetic under other names, and a value read at a token of its own."""

from __future__ import annotations

from dataclasses import replace

from cenote.adapters import LoadOptions
from cenote.adapters.activation import resolve_activation
from cenote.adapters.classify_pooler import build_classifier
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.stack import load_stack
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote.config import first_set
from cenote.errors import CheckpointError, PromptTooLong
from cenote.types import PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions
from cenote_reward.classes import LlamaReward
from cenote_reward.internlm2_tokenizer import convert_tokenizer
from cenote_reward.internlm2_weights import to_llama
from cenote_reward.model import RewardModel
from cenote_reward.pooling import prompt_logits, token_logits, value_function

__all__ = ["InternLM2Adapter", "InternLM2RewardModel"]


class InternLM2RewardModel(RewardModel):
    """Ends every text and conversation with the reward token, whose value is the answer."""

    #: Id of `<|reward|>`; None adds nothing, as vLLM.
    reward_token_id: int | None = None

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Tokenise a prompt, and append the reward token where it is not there; token prompts are left as they are.

        Raises:
            PromptTooLong: the prompt leaves no room for the token, and no truncation was asked for.

        Source: `get_score` of the published code, which appends the token to templated conversations.
        """
        prepared = super().prepare(prompt, role, params, tokenization)
        if self.reward_token_id is None or prompt.token_ids is not None:
            return prepared
        return _ending_with(self.reward_token_id, prepared, self.limits.max_tokens, tokenization.truncate_prompt_tokens)


def _ending_with(reward: int, prepared: PreparedInput, max_tokens: int, truncate: int | None) -> PreparedInput:
    ids = prepared.token_ids
    if ids[-1] == reward:
        return prepared
    if len(ids) < (truncate if truncate is not None and truncate > 0 else max_tokens):
        return replace(prepared, token_ids=(*ids, reward))
    if truncate is None:
        raise PromptTooLong(
            f"The prompt has {len(ids) + 1} tokens with the reward token at its end, but this model takes at most "
            f"{max_tokens}. Shorten it, or ask for truncation with truncate_prompt_tokens=-1.",
            param="input_tokens",
        )
    return replace(prepared, token_ids=(*ids[:-1], reward), truncated_tokens=prepared.truncated_tokens + 1)


class InternLM2Adapter:
    """Loads `InternLM2ForRewardModel`; the spec's repair has translated the config."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> InternLM2RewardModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        config = build_config(checkpoint)
        whole = load_backbone(
            checkpoint,
            config,
            dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
            device=options.device,
            attn_implementation=None,
            model_class=LlamaReward,
            allowed_missing=(),
            tensors=to_llama(
                checkpoint.read_tensors(_relative(checkpoint)),
                heads=config.num_attention_heads,
                kv_heads=config.num_key_value_heads,
                head_dim=config.head_dim,
            ),
        )
        tokenizer = convert_tokenizer(checkpoint) if options.tokenizer is None else None
        stack = load_stack(checkpoint, options, whole=whole, tokenizer=tokenizer)
        as_vllm = options.compat == "vllm"
        method = first_set(user=options.pooler_config.seq_pooling_type, default="LAST")
        values = value_function(whole, "v_head")
        classifier = build_classifier(
            options.pooler_config,
            resolve_activation(checkpoint.config, 1, compat=options.compat),
            ("reward",),
            sequence=prompt_logits(values, method.value),
            token=token_logits(values),
            use_activation=as_vllm,
        )
        model = InternLM2RewardModel(
            stack,
            checkpoint,
            pooler=classifier.pooler,
            embedding_size=stack.hidden_size,
            labels=("reward",),
            token_pooling=classifier.token_pooling,
            facts={"pooling": str(method), **classifier.facts},
        )
        model.reward_token_id = None if as_vllm else _reward_token(checkpoint, stack.vocabulary)
        return model


def _relative(checkpoint: Checkpoint) -> str:
    return checkpoint.backbone_path.relative_to(checkpoint.path).as_posix()


def _reward_token(checkpoint: Checkpoint, vocabulary: int) -> int:
    value = checkpoint.config.get("reward_token_id")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < vocabulary:
        raise CheckpointError(
            f"config.json of {checkpoint.name!r} has reward_token_id {value!r}; needed is an id below {vocabulary}, "
            "the token at which the model gives its reward."
        )
    return value
