"""Answers that hold one array of numbers per input: JSON with numbers or base64, or raw bytes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.responses import Response

from cenote.server.encoding import VectorFormat, is_large, join_objects
from cenote.server.usage import Usage

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.outputs import PoolingRequestOutput

__all__ = ["list_response"]


async def list_response(
    outputs: Sequence[PoolingRequestOutput],
    vectors: VectorFormat,
    response_id: str,
    model: str,
    *,
    kind: str,
    key: str,
) -> Response:
    """Return the results of a request in the order of its inputs; large ones are written in a thread.

    Args:
        outputs: of the engine.
        vectors: how numbers are written.
        response_id: prefix and request id.
        model: name of the model.
        kind: `object` of each entry.
        key: field of each entry that holds the numbers.
    """
    arguments = (outputs, vectors, response_id, model, f'"object":"{kind}","{key}":'.encode())
    if is_large([output.outputs.data for output in outputs]):
        return await asyncio.to_thread(_to_response, *arguments)
    return _to_response(*arguments)


def _to_response(
    outputs: Sequence[PoolingRequestOutput], vectors: VectorFormat, response_id: str, model: str, middle: bytes
) -> Response:
    usage = Usage.of(outputs)
    data = [output.outputs.data for output in outputs]
    if vectors.is_binary:
        return _binary_response(data, vectors, {"id": response_id, "model": model, "usage": usage.short()})
    items = [b'{"index":%d,%b%b}' % (index, middle, vectors.to_json(vector)) for index, vector in enumerate(data)]
    head: dict[str, object] = {"id": response_id, "object": "list", "created": int(time.time()), "model": model}
    return Response(join_objects(head, "data", items, {"usage": usage.full()}), media_type="application/json")


def _binary_response(data: Sequence[Tensor], vectors: VectorFormat, head: dict[str, object]) -> Response:
    """Return raw numbers; where each vector lies is told by the header `metadata`, unless it is not wanted."""
    parts = [vectors.to_bytes(vector) for vector in data]
    response = Response(b"".join(parts), media_type="application/octet-stream")
    if vectors.encoding == "bytes_only":
        return response
    entries, start = [], 0
    for index, (vector, part) in enumerate(zip(data, parts, strict=True)):
        entry = {"index": index, "embed_dtype": vectors.dtype, "endianness": vectors.endianness}
        entries.append({**entry, "start": start, "end": start + len(part), "shape": list(vector.shape)})
        start += len(part)
    metadata = {**head, "created": int(time.time()), "data": entries}
    # Headers carry ASCII safely; the standard library escapes everything else, orjson cannot.
    response.headers["metadata"] = json.dumps(metadata, separators=(",", ":"))
    return response
