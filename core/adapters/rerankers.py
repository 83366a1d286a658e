"""Rerankers that work without flags: known words, activation and prompt template, by the model's name."""

from __future__ import annotations

from typing import ClassVar

from cenote.adapters.base import LoadOptions
from cenote.adapters.classify import SequenceClassifierAdapter
from cenote.adapters.lm_head import LmClassifierAdapter
from cenote.adapters.lm_words import asks_for_words
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint

__all__ = ["BgeRerankerGemmaAdapter", "MxbaiRerankV2Adapter", "Qwen3RerankerAdapter"]


class _KnownReranker(LmClassifierAdapter):
    """A language model, or a classifier that somebody made of it; both read pairs by the same template."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> TextPoolingModel:
        """Load a checkpoint.

        Raises:
            CheckpointError: weights or files are missing or do not fit.
            InvalidRequest: an option or a config key does not fit the checkpoint.
        """
        if checkpoint.has_tensor("score.weight") and not asks_for_words(checkpoint.config):
            return SequenceClassifierAdapter.load(checkpoint, options, known_template=cls.known_template)
        return super().load(checkpoint, options)


class Qwen3RerankerAdapter(_KnownReranker):
    """Qwen3-Reranker: the probability of "yes" against "no".

    Source: model card of Qwen/Qwen3-Reranker-0.6B, usage with transformers.
    """

    words = ("no", "yes")
    known_template: ClassVar[str | None] = "qwen3-reranker"


class MxbaiRerankV2Adapter(_KnownReranker):
    """mxbai-rerank v2: the logit of "1" minus that of "0", as it is.

    Source: mxbai-rerank 0.1.6, `MxbaiRerankV2.predict` with `normalize=False`.
    """

    words = ("0", "1")
    default_activation = "identity"
    known_template: ClassVar[str | None] = "mxbai-rerank-v2"


class BgeRerankerGemmaAdapter(_KnownReranker):
    """bge-reranker-v2-gemma: the logit of "Yes", as it is.

    Source: FlagEmbedding 1.4.2, `BaseLLMReranker.compute_score` with `normalize=False`.
    """

    words = ("Yes",)
    difference = False
    default_activation = "identity"
    known_template: ClassVar[str | None] = "bge-reranker-v2-gemma"
