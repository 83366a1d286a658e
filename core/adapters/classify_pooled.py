"""Cross-encoders that sentence-transformers makes of an encoder, a pooling and a Dense module that gives the scores."""

from __future__ import annotations

from torch import Tensor

from cenote.adapters.activation import resolve_activation
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify_pooler import build_classifier
from cenote.adapters.head import build_steps
from cenote.adapters.pairs import choose_pairs
from cenote.adapters.stack import load_stack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, DenseModule
from cenote.config import first_set
from cenote.poolers import get_method
from cenote.poolers.heads import Step
from cenote.types import PoolingBatch

__all__ = ["gives_scores", "load_pooled_classifier"]


def gives_scores(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint's pipeline ends in scores."""
    files = checkpoint.sentence_transformers
    return any(isinstance(module, DenseModule) and module.scores for module in (files.pipeline if files else ()))


def load_pooled_classifier(checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
    """Load a checkpoint whose pipeline ends in scores.

    Raises:
        CheckpointError: weights or files are missing or do not fit.
        InvalidRequest: an option does not fit the checkpoint.

    Source: sentence-transformers 6.2, `CrossEncoder` with the modules Transformer, Pooling and Dense.
    """
    stack = load_stack(checkpoint, options)
    files = checkpoint.sentence_transformers
    pooling = files.pooling if files else None
    assert files is not None
    assert pooling is not None
    method = first_set(
        user=options.pooler_config.seq_pooling_type, sentence_transformers="+".join(pooling.methods), default="MEAN"
    )
    width = stack.hidden_size * len(method.value.split("+"))
    steps, size = build_steps(checkpoint, width, options.device, scores=True)
    pool = get_method(method.value)
    labels = tuple(f"LABEL_{index}" for index in range(size))
    classifier = build_classifier(
        options.pooler_config,
        resolve_activation(
            checkpoint.config, size, compat=options.compat, own=checkpoint.settings_value("activation_fn")
        ),
        labels,
        sequence=lambda hidden, batch: _apply(steps, pool(hidden, batch.lengths, _skips(batch))),
        token=(lambda hidden, batch: _apply(steps, hidden)) if width == stack.hidden_size else None,
    )
    return TextPoolingModel(
        stack,
        checkpoint,
        pooler=classifier.pooler,
        embedding_size=stack.hidden_size,
        include_prompt=pooling.include_prompt,
        labels=labels,
        token_pooling=classifier.token_pooling,
        pairs=choose_pairs(checkpoint, stack.tokenizer, options),
        facts={"head": "Dense modules", "pooling": str(method), **classifier.facts},
    )


def _apply(steps: tuple[Step, ...], rows: Tensor) -> Tensor:
    rows = rows.float()
    for step in steps:
        rows = step(rows)
    return rows


def _skips(batch: PoolingBatch) -> list[int]:
    return [row.pooling_skip for row in batch.rows]
