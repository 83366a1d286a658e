"""Load jina-embeddings-v3: one backbone, five task adapters beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.head import build_pooler
from cenote.adapters.stack import TextStack, load_stack
from cenote.checkpoints import Checkpoint, build_config, load_backbone
from cenote_jina.model import JinaModel
from cenote_jina.settings import TaskSettings
from cenote_jina.tensors import base_weights, merged_weights, task_updates

__all__ = ["JinaEmbeddingsV3Adapter"]


class JinaEmbeddingsV3Adapter:
    """jina-embeddings-v3, whose tasks are low-rank adapters on every linear layer and on the embeddings."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> JinaModel:
        """Load a checkpoint.

        With `compat="vllm"` the last task is merged into the weights for every request, without its instruction, and
        no task can be chosen.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option does not fit the checkpoint.
        """
        settings = TaskSettings.read(checkpoint.config)
        tensors = checkpoint.read_tensors("")
        merged = settings.names[-1] if options.compat == "vllm" else None
        updates = {} if merged else task_updates(tensors, settings)
        weights = merged_weights(tensors, settings, merged) if merged else base_weights(tensors)
        if updates:
            options = replace(options, enable_lora=True)  # the tasks are low-rank adapters
        stack = _load_stack(checkpoint, options, weights)
        for task, update in updates.items():
            stack.loras.add(task, update)
        pooling = build_pooler(
            checkpoint,
            options.pooler_config,
            default_method="MEAN",
            hidden_size=stack.hidden_size,
            device=options.device,
        )
        return JinaModel(
            stack,
            checkpoint,
            pooler=pooling.pooler,
            embedding_size=pooling.embedding_size,
            include_prompt=pooling.include_prompt,
            token_pooling=pooling.token_pooling,
            instructions={task: settings.instructions[task] for task in updates},
            facts={
                "pooling": str(pooling.method),
                "normalize": str(pooling.normalize),
                "embedding size": str(pooling.embedding_size),
                "task adapters": f"{merged}, merged" if merged else ", ".join(updates),
            },
        )


def _load_stack(checkpoint: Checkpoint, options: LoadOptions, weights: Mapping[str, Tensor]) -> TextStack:
    whole = load_backbone(
        checkpoint,
        build_config(checkpoint),
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        tensors=weights,
    )
    return load_stack(checkpoint, options, whole=whole)
