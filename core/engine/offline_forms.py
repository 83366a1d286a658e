"""`LLM.encode(outputs=[...])` and `LLM.sparse_embed`: forms of an embedding, several of them from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from cenote.engine.call_options import CallOptions, Prompts
from cenote.engine.offline import OfflineFace
from cenote.engine.prompts import Params
from cenote.errors import InvalidRequest
from cenote.outputs import (
    FormsRequestOutput,
    OutputDtype,
    PoolingOutput,
    PoolingRequestOutput,
    SparseRequestOutput,
    check_output_dtype,
    quantize,
)
from cenote.tasks import FORMS, form_tasks

__all__ = ["OfflineForms", "check_precision", "with_precision"]

#: Tasks whose results are vectors of numbers that may be given in another precision.
_VECTORS = (FORMS["dense"], FORMS["multi"])


class OfflineForms(OfflineFace):
    """What `LLM` can say of a text in more than one form."""

    def sparse_embed(
        self, prompts: Prompts, *, pooling_params: Params = None, **options: Unpack[CallOptions]
    ) -> list[SparseRequestOutput]:
        """Return the weighted terms of each prompt, in order, with their texts where the model has a tokenizer.

        Args:
            prompts: as `LLM` says.
            pooling_params: as `LLM` says.
            **options: those of `encode`, without `pooling_task`.

        Raises:
            UnsupportedTask: it is no sparse model.
            InvalidRequest: a prompt or parameter is wrong; nothing is returned.
        """
        outputs = self._encode(prompts, pooling_params, "sparse_embed", **options)
        return [SparseRequestOutput.from_base(output, self.token_texts) for output in outputs]

    def _forms(
        self,
        prompts: Prompts,
        params: Params,
        outputs: Sequence[str],
        dtype: OutputDtype | None,
        **options: Unpack[CallOptions],
    ) -> list[FormsRequestOutput]:
        first, *also = form_tasks(outputs)
        check_precision((first, *also), dtype)
        results = self._encode(prompts, params, first, tuple(also), **options)
        with_precision(results, first, dtype or "float32")
        return [FormsRequestOutput.from_base(output, self.token_texts) for output in results]


def check_precision(tasks: Sequence[str], dtype: OutputDtype | None) -> None:
    """Check a precision before anything runs.

    Raises:
        InvalidRequest: it is unknown, or nothing that is asked for is a vector.
    """
    if dtype is not None and check_output_dtype(dtype) and not set(tasks) & set(_VECTORS):
        asked = " and ".join(map(repr, tasks))
        text = f"output_dtype is for dense and multi-vector embeddings; {asked} gives none."
        raise InvalidRequest(text, param="output_dtype")


def with_precision(outputs: Sequence[PoolingRequestOutput], task: str, dtype: OutputDtype | None) -> None:
    """Give the vectors of raw results another precision, in place; what is no vector stays.

    Args:
        outputs: results of a task, and perhaps of further ones.
        task: the task.
        dtype: the precision; None changes nothing.

    Raises:
        InvalidRequest: a vector does not fit it.
    """
    for output in outputs:
        if dtype is not None and output.error is None:
            found = output.outputs.by_task.items()
            given = {name: quantize(rows, dtype) if name in _VECTORS else rows for name, rows in found}
            output.outputs = PoolingOutput(given[task], given, output.outputs.positions)
