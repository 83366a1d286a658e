"""Answers that hold arrays of numbers per input: JSON with numbers or base64, or raw bytes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from cenote.server.columns import Column, header_full, member, result_of
from cenote.server.encoding import is_large, join_objects
from cenote.server.item_errors import item_error, write_items
from cenote.server.usage import Usage

if TYPE_CHECKING:
    from cenote.engine.async_llm import OnError
    from cenote.outputs import PoolingRequestOutput

__all__ = ["ListReply", "list_response"]

#: Bytes of a header's value that every client reads: http.client takes lines of 64 KiB, its name and end included.
_MOST_METADATA = 65_000


@dataclass(frozen=True, slots=True)
class ListReply:
    """What an answer says beside the numbers.

    Attributes:
        response_id: prefix and request id.
        model: name of the model.
        kind: `object` of each entry.
        columns: what each entry holds.
        on_error: `item` gives an input whose numbers cannot be written as asked an error.
        positions: each entry says which tokens its vectors belong to.
    """

    response_id: str
    model: str
    kind: str
    columns: Sequence[Column]
    on_error: OnError
    positions: bool = False


async def list_response(outputs: Sequence[PoolingRequestOutput], reply: ListReply) -> Response:
    """Return the results of a request in the order of its inputs; large ones are written in a thread.

    An input that failed has an `error` in place of its numbers; in raw bytes its stretch is empty, and the header says
    why.

    Raises:
        NonFiniteResult: a number is NaN or infinite.
        InvalidRequest: the embeddings cannot be quantised as asked.
        CodecError: the codec that should do so fails.
    """
    good, write = [output for output in outputs if output.error is None], partial(_to_response, reply=reply)
    arrays = [result_of(output, column.task) for output in good for column in reply.columns]
    if is_large(arrays, [precision for column in reply.columns for precision in column.precisions]):
        return await asyncio.to_thread(write_items, outputs, reply.on_error, write)
    return write_items(outputs, reply.on_error, write)


def _to_response(outputs: Sequence[PoolingRequestOutput], reply: ListReply) -> Response:
    usage, good = Usage.of(outputs), [output for output in outputs if output.error is None]
    head: dict[str, Any] = {"id": reply.response_id, "object": "list", "created": int(time.time())}
    head["model"] = reply.model
    if reply.columns[0].format.is_binary:
        return _binary_response(outputs, good, reply.columns[0], {**head, "usage": usage.short()})
    parts = [column.members(good) for column in reply.columns]
    if reply.positions:
        parts.append([member("positions", orjson.dumps(output.outputs.positions)) for output in good])
    rows = zip(*parts, strict=True)
    kind = orjson.dumps(reply.kind)
    items = []
    for index, output in enumerate(outputs):
        body = (
            b",".join(next(rows)) if output.error is None else member("error", orjson.dumps(item_error(output.error)))
        )
        items.append(b'{"index":%d,"object":%b,%b}' % (index, kind, body))
    return Response(join_objects(head, "data", items, {"usage": usage.full()}), media_type="application/json")


def _binary_response(
    outputs: Sequence[PoolingRequestOutput], good: Sequence[PoolingRequestOutput], column: Column, head: dict[str, Any]
) -> Response:
    """Return raw numbers; where each array lies is told by the header `metadata`, unless it is not wanted."""
    vectors = column.format
    written = vectors.all_to_bytes([result_of(output, column.task) for output in good])
    response = Response(b"".join(raw for raw, _ in written), media_type="application/octet-stream")
    if vectors.encoding == "bytes_only":
        return response
    parts, entries, start = iter(written), [], 0
    for index, output in enumerate(outputs):
        raw, shape = (b"", ()) if output.error else next(parts)
        entry: dict[str, Any] = {"index": index, "embed_dtype": vectors.element, "endianness": vectors.endianness}
        entry |= {"start": start, "end": start + len(raw), "shape": shape}
        entries.append(entry | ({"error": item_error(output.error)} if output.error else {}))
        start += len(raw)
    del head["object"]
    # Headers carry ASCII safely; the standard library escapes everything else, orjson cannot.
    metadata = json.dumps({**head, "data": entries}, separators=(",", ":"))
    if len(metadata) > _MOST_METADATA:
        raise header_full(len(outputs))
    response.headers["metadata"] = metadata
    return response
