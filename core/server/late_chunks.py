"""Late chunking over HTTP: the inputs become one document, and its result one entry for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from cenote.errors import InvalidRequest, ShapeError
from cenote.outputs import PoolingOutput, PoolingRequestOutput
from cenote.types import Prompt

__all__ = ["join_chunks", "split_chunks"]

#: Names under which the engine and this route know the chunks.
_OFFLINE, _PARAM = "documents", "input"


def join_chunks(prompts: Sequence[Prompt]) -> Prompt:
    """Return the document whose chunks are given, joined exactly as they are.

    Raises:
        InvalidRequest: a chunk is no single text.
    """
    texts = [prompt.text for prompt in prompts if prompt.text is not None and prompt.text_pair is None]
    if len(texts) < len(prompts):
        raise InvalidRequest("With late_chunking, input must be texts: the chunks of one document.", param=_PARAM)
    return Prompt(text="".join(texts), chunk_ends=tuple(accumulate(map(len, texts))))


def split_chunks(output: PoolingRequestOutput, count: int) -> list[PoolingRequestOutput]:
    """Give each chunk its row of the document's result [chunks, dim], or the document's error.

    Raises:
        ShapeError: the result has another number of rows.
    """
    if output.error is not None:
        param = _PARAM if output.error.param == _OFFLINE else output.error.param
        return [replace(output, error=replace(output.error, param=param))] * count
    data = output.outputs.data
    if data.ndim != 2 or len(data) != count:
        raise ShapeError(f"The model's pooler gave {list(data.shape)} for {count} chunks; it cannot pool them singly.")
    return [
        PoolingRequestOutput(request_id=output.request_id, outputs=PoolingOutput(row), prompt_token_ids=[])
        for row in data
    ]
