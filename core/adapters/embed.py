"""The generic adapter for embedders: any base model of transformers, and language models without their output layer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from cenote.adapters.base import LoadOptions
from cenote.adapters.head import build_pooler
from cenote.adapters.stack import load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint
from cenote.poolers.heads import Step
from cenote.tasks import check_dimensions

__all__ = ["EmbedderAdapter"]

_log = logging.getLogger(__name__)

#: Pooling where no file names a method, by what tokens see.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "reference": {"causal": "LAST", "bidirectional": "MEAN"},
    "vllm": {"causal": "LAST", "bidirectional": "CLS"},
}


class EmbedderAdapter:
    """Models of transformers as embedders."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        _warn_of_plain_language_model(checkpoint, options)
        stack = load_stack(checkpoint, options)
        pooling = build_pooler(
            checkpoint,
            options.pooler_config,
            default_method=cls.method_by_default(stack.attention, options),
            hidden_size=stack.hidden_size,
            device=options.device,
            before_cut=cls.before_cut(options),
        )
        if pooling.method.source == "pooler_default":
            _log.info("pooling %s: no file names a method, and attention is %s", pooling.method.value, stack.attention)
        facts: dict[str, Any] = {
            "pooling": pooling.method,
            "normalize": pooling.normalize,
            "embedding size": pooling.embedding_size,
        }
        model = TextPoolingModel(
            stack,
            checkpoint,
            pooler=pooling.pooler,
            embedding_size=pooling.embedding_size,
            include_prompt=pooling.include_prompt,
            token_pooling=pooling.token_pooling,
            facts={key: str(value) for key, value in facts.items()},
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model

    @classmethod
    def method_by_default(cls, attention: str, options: LoadOptions) -> str:
        """Return the pooling method of a model whose files name none.

        Args:
            attention: what tokens see: `causal` or `bidirectional`.
            options: what the user asked of loading.

        Source: sentence-transformers 6.2 takes the mean for any model without its files, which reads nothing sensible
        from a causal one; vLLM 0.32 takes LAST for language models and CLS for others.
        """
        return _DEFAULTS[options.compat][attention]

    @classmethod
    def before_cut(cls, options: LoadOptions) -> Step | None:
        """Return what the model does to a vector before it is cut to `dimensions`; mostly nothing."""
        del options
        return None


def _warn_of_plain_language_model(checkpoint: Checkpoint, options: LoadOptions) -> None:
    """Say that a language model became an embedder although neither its files nor the user call it one."""
    generates = any(name.endswith("ForCausalLM") for name in checkpoint.architectures)
    if options.convert != "embed" or not generates or checkpoint.sentence_transformers is not None:
        return
    _log.warning(
        "%s is a language model, and no file says that it was trained to embed; its vectors may mean little. A "
        "reranker made of a language model needs its published folder name, hf_overrides (classifier_from_token, "
        "method), or an adapter such as --adapter qwen3-reranker.",
        checkpoint.name,
    )
