"""Typed results of the engine."""

from cenote.outputs.classification import ClassificationOutput, ClassificationRequestOutput
from cenote.outputs.embedding import EmbeddingOutput, EmbeddingRequestOutput
from cenote.outputs.results import PoolingOutput, PoolingRequestOutput, RequestError, RequestOutput
from cenote.outputs.scoring import RerankResult, ScoringOutput, ScoringRequestOutput

__all__ = [
    "ClassificationOutput",
    "ClassificationRequestOutput",
    "EmbeddingOutput",
    "EmbeddingRequestOutput",
    "PoolingOutput",
    "PoolingRequestOutput",
    "RequestError",
    "RequestOutput",
    "RerankResult",
    "ScoringOutput",
    "ScoringRequestOutput",
]
