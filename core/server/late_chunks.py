"""Late chunking over HTTP: the inputs become one document, and its result one entry for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from fastapi import Request

from cenote.errors import InvalidRequest, ShapeError
from cenote.outputs import PoolingOutput, PoolingRequestOutput
from cenote.server.inference import InferenceCall, infer
from cenote.types import Prompt

__all__ = ["infer_chunks", "join_chunks"]

#: Names under which the engine and this route know the chunks.
_OFFLINE, _PARAM = "documents", "input"


def join_chunks(prompts: Sequence[Prompt]) -> Prompt:
    """Return the document whose chunks are given, joined exactly as they are.

    Raises:
        InvalidRequest: a chunk is no single text.
    """
    alone = (prompt for prompt in prompts if prompt.text_pair is None and not prompt.media)
    texts = [prompt.text for prompt in alone if prompt.text is not None]
    if len(texts) < len(prompts):
        raise InvalidRequest("With late_chunking, input must be texts: the chunks of one document.", param=_PARAM)
    return Prompt(text="".join(texts), chunk_ends=tuple(accumulate(map(len, texts))))


async def infer_chunks(request: Request, call: InferenceCall, count: int) -> list[PoolingRequestOutput]:
    """Run one document, and give each of its chunks its row of the result [chunks, dim], or the document's error.

    The first chunk's output has all tokens of the document, so that they count once.

    Raises:
        InvalidRequest: a chunk has no tokens, or more than the model takes.
        ShapeError: the result has another number of rows.
    """
    try:
        (output,) = await infer(request, call)
    except InvalidRequest as exc:
        exc.param = _PARAM if exc.param == _OFFLINE else exc.param
        raise
    if output.error is not None:
        error = replace(output.error, param=_PARAM if output.error.param == _OFFLINE else output.error.param)
        return [
            PoolingRequestOutput(request_id=output.request_id, outputs=output.outputs, prompt_token_ids=[], error=error)
        ] * count
    data = output.outputs.data
    if data.ndim != 2 or len(data) != count:
        raise ShapeError(f"The model's pooler gave {list(data.shape)} for {count} chunks; it cannot pool them singly.")
    tokens = [output.prompt_token_ids, *[[]] * (count - 1)]
    return [
        PoolingRequestOutput(request_id=output.request_id, outputs=PoolingOutput(row), prompt_token_ids=ids)
        for row, ids in zip(data, tokens, strict=True)
    ]
