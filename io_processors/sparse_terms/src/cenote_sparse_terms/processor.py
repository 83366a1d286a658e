"""The processor: texts to prompts, and sparse rows to vectors with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cenote.errors import InvalidRequest
from cenote.io_processors import Encoding, IOProcessor, ProcessorContext, RequestContext
from cenote.outputs import PoolingRequestOutput, SparseOutput
from cenote_sparse_terms.labels import term_labels
from cenote_sparse_terms.schemas import Settings, SparseVectors, Texts
from cenote_sparse_terms.vectors import FORMATS, Weights, keep, most_terms

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

    def __init__(self, context: ProcessorContext) -> None:
        """Know no term's name yet."""
        super().__init__(context)
        self._names: tuple[str, ...] = ()

    def pre_process(self, prompt: Texts, context: RequestContext) -> list[str]:
        """Return the texts.

        Raises:
            ValueError: there are more than the operator allows, or the answer cannot be written as the request asks.
        """
        _check_encoding(context.encoding)
        most = self.context.settings.max_texts
        if len(prompt.texts) > most:
            raise ValueError(f"texts has {len(prompt.texts)} entries; this server takes {most} in one request.")
        context.state.update(request=prompt, most=most_terms(prompt.format, prompt.top_k))
        return prompt.texts

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> SparseVectors:
        """Return the vectors in the form that the request asks for."""
        request: Texts = context.state["request"]
        write, most = FORMATS[request.format], context.state["most"]
        vectors = []
        for output in outputs:
            data = output.outputs.by_task.get("sparse_embed", output.outputs.data)
            row, names = SparseOutput.of(data), self._labels(len(data))
            indices, values = keep(row.indices, row.values, top_k=most, min_weight=request.min_weight)
            vectors.append(write(Weights(indices, values, [names[index] for index in indices])))
        return SparseVectors(format=request.format, vectors=vectors)

    def _labels(self, size: int) -> tuple[str, ...]:
        """Return the names of all terms: a model has one weight for each, whether or not its tokenizer knows it.

        Args:
            size: of a row, the only place that says it; it is the same in all of them.
        """
        if len(self._names) != size:
            self._names = tuple(term_labels(self.context.token_texts(range(size)) or [""] * size))
        return self._names


def _check_encoding(encoding: Encoding) -> None:
    """Check that the weights are wanted as numbers.

    Raises:
        InvalidRequest: they are not.
    """
    if encoding.encoding_format != "float":
        text = (
            f"encoding_format={encoding.encoding_format!r} is asked for; terms and weights are given as 'float' only."
        )
        raise InvalidRequest(text, param="encoding_format")
    if encoding.output_dtype not in (None, "float32"):
        text = f"output_dtype={encoding.output_dtype!r} is asked for; weights are given in 'float32' only."
        raise InvalidRequest(text, param="output_dtype")
