"""Typed results of the engine."""

from cenote.outputs.classification import ClassificationOutput, ClassificationRequestOutput
from cenote.outputs.codecs import OutputCodec
from cenote.outputs.embedding import EmbeddingOutput, EmbeddingRequestOutput
from cenote.outputs.forms import Forms, FormsRequestOutput
from cenote.outputs.quantize import OutputDtype, check_output_dtype, quantize
from cenote.outputs.results import PoolingOutput, PoolingRequestOutput, RequestError, RequestOutput
from cenote.outputs.scoring import ReadPrompt, RerankResult, ScoringOutput, ScoringRequestOutput
from cenote.outputs.sparse import SparseOutput, SparseRequestOutput

__all__ = [
    "ClassificationOutput",
    "ClassificationRequestOutput",
    "EmbeddingOutput",
    "EmbeddingRequestOutput",
    "Forms",
    "FormsRequestOutput",
    "OutputCodec",
    "OutputDtype",
    "PoolingOutput",
    "PoolingRequestOutput",
    "ReadPrompt",
    "RequestError",
    "RequestOutput",
    "RerankResult",
    "ScoringOutput",
    "ScoringRequestOutput",
    "SparseOutput",
    "SparseRequestOutput",
    "check_output_dtype",
    "quantize",
]
