"""Typed results and their wire encodings."""

from cenote.outputs.results import EmbeddingOutput, EmbeddingRequestOutput, PoolingOutput, PoolingRequestOutput

__all__ = ["EmbeddingOutput", "EmbeddingRequestOutput", "PoolingOutput", "PoolingRequestOutput"]
