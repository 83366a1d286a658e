"""Load embedders of texts and images."""

from __future__ import annotations

from dataclasses import replace

from cenote.adapters import LoadOptions
from cenote.adapters.head import build_pooler
from cenote.adapters.stack import TextStack
from cenote.checkpoints import Checkpoint
from cenote.config import Fact, PoolerConfig, Resolved
from cenote.tasks import check_dimensions
from cenote_nemotron_vl.model import NemotronVLModel
from cenote_nemotron_vl.sight import load_sight

__all__ = ["LlamaNemotronVLAdapter", "model_pooling", "role_prefixes", "stated", "within"]


class LlamaNemotronVLAdapter:
    """Loads `LlamaNemotronVLModel`."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> NemotronVLModel:
        """Load a checkpoint.

        With `compat="vllm"`, texts get nothing in front, conversations always go through a chat template, and the
        pooling that config.json names wins over the user's.

        Vectors are normalised as vLLM does. The model's own code leaves that to the cosine which it compares by.

        Raises:
            CheckpointError: weights or files are missing, unknown or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        sight = load_sight(checkpoint, options)
        reference = options.compat != "vllm"
        config, stack = sight.config, sight.stack
        if reference:
            stack = within(stack, config.passage_length)
        pooling = build_pooler(
            checkpoint,
            model_pooling(options.pooler_config, config.pooling, reference=reference),
            default_method=config.pooling,
            hidden_size=stack.hidden_size,
            device=options.device,
        )
        facts = {
            "pooling": stated(pooling.method),
            "normalize": pooling.normalize,
            "embedding size": pooling.embedding_size,
            "modalities": "text, image",
        }
        query = config.query_length if reference else None
        model = NemotronVLModel(
            sight,
            stack,
            checkpoint,
            prefixes=role_prefixes(config.query_prefix, config.passage_prefix) if reference else {},
            query_tokens=None if query is None or query >= stack.max_tokens.value else query,
            plain=not reference or options.chat_template is not None,
            pooler=pooling.pooler,
            embedding_size=pooling.embedding_size,
            include_prompt=pooling.include_prompt,
            token_pooling=pooling.token_pooling,
            facts={key: str(value) for key, value in facts.items()},
        )
        if options.pooler_config.dimensions is not None:
            check_dimensions(options.pooler_config.dimensions, model.limits, checkpoint.name)
        return model


def role_prefixes(query: str, passage: str) -> dict[str, str]:
    """Return what stands in front of a text by what it is for, with the space that the model's code puts behind."""
    return {role: f"{words} " for role, words in (("query", query), ("document", passage)) if words}


def model_pooling(wanted: PoolerConfig, method: str, *, reference: bool) -> PoolerConfig:
    """Return the user's settings; with vLLM's meaning, the method of config.json stands whatever the user says.

    Source: `LlamaBidirectionalConfig` and `LlamaNemotronVLConfig` of vLLM 0.32.
    """
    return wanted if reference else wanted.model_copy(update={"seq_pooling_type": method})


def stated(method: Resolved[str]) -> str:
    """Return what a report says of a pooling method, whose default is that of config.json."""
    return Fact(method.value, "config.json" if method.source == "pooler_default" else method.source)


def within(stack: TextStack, most: int | None) -> TextStack:
    """Return a stack whose prompts have at most so many tokens, unless the user said otherwise."""
    if most is None or stack.max_tokens.source == "user" or most >= stack.max_tokens.value:
        return stack
    return replace(stack, max_tokens=Resolved(most, "model_default"))
