"""The processor: texts to prompts, and sparse rows to vectors with names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from cenote.io_processors import IOProcessor, RequestContext
from cenote.outputs import PoolingRequestOutput, SparseOutput
from cenote_sparse_terms.labels import term_labels
from cenote_sparse_terms.schemas import Settings, SparseVectors, Texts
from cenote_sparse_terms.vectors import FORMATS, Weights, keep

__all__ = ["SparseTerms"]


class SparseTerms(IOProcessor[Texts, SparseVectors]):
    """Gives the terms of texts with their weights; what the texts are for is the request's `input_type` (`role`)."""

    Request = Texts
    Response = SparseVectors
    Settings = Settings
    tasks = ("sparse_embed",)
    examples: ClassVar[Sequence[Any]] = (
        {"texts": "How deep is the well?"},
        {"texts": ["Salt water lies below.", "Rain falls."], "format": "indices", "top_k": 8},
        {"texts": ["The rope was too short."], "format": "qdrant", "min_weight": 0.2},
        {"texts": ["The rope was too short."], "format": "pinecone", "top_k": 5},
        {"texts": ["The rope was too short."], "format": "milvus", "top_k": 5},
        {"texts": ["The rope was too short."], "format": "vespa", "top_k": 5},
    )

    def pre_process(self, prompt: Texts, context: RequestContext) -> list[str]:
        """Return the texts.

        Raises:
            ValueError: there are more than the operator allows.
        """
        texts = [prompt.texts] if isinstance(prompt.texts, str) else prompt.texts
        most = self.context.settings.max_texts
        if len(texts) > most:
            raise ValueError(f"texts has {len(texts)} entries; this server takes {most} in one request.")
        context.state["request"] = prompt
        return texts

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> SparseVectors:
        """Return the vectors in the form that the request asks for."""
        request: Texts = context.state["request"]
        write = FORMATS[request.format]
        vectors = []
        for output in outputs:
            row = SparseOutput.of(output.outputs.data)
            indices, values = keep(row.indices, row.values, top_k=request.top_k, min_weight=request.min_weight)
            vectors.append(write(Weights(indices, values, [self._labels[index] for index in indices])))
        return SparseVectors(format=request.format, vectors=vectors)

    @cached_property
    def _labels(self) -> list[str]:
        """Names of all terms: a model has one weight for each, whether or not its tokenizer knows it."""
        size = self.context.limits.embedding_size
        return term_labels(self.context.token_texts(range(size)) or [""] * size)
