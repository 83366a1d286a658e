"""Read a JSON body into a pydantic model: content type, then JSON, then schema, each with its own 400."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError, ClientGone
from cenote.server.fields import CommonFields
from cenote.server.openapi import json_body_schema
from cenote.server.request_ids import claim_request_id
from cenote.server.state import state_of
from cenote.server.switches import Switches
from cenote.server.text import shorten, show

__all__ = ["TooManyItems", "json_body_schema", "read_body", "read_json", "validate"]

M = TypeVar("M", bound=BaseModel)

_MAX_ENTRIES = 10
_MAX_ENTRY = 1000
#: Complaints beyond which none is read: pydantic makes all of them or none, which takes seconds for millions.
_READABLE = 10_000
#: Bytes from which on a body is read in a thread, so that others are answered meanwhile.
_LARGE = 1 << 20
#: Elements of lists from which on a body is validated in a thread.
_MANY = 1 << 13
#: Fields of native bodies that hold a list of items.
_LISTS = (
    *("input", "inputs", "texts", "images"),
    *("queries", "documents", "items", "data_1", "data_2", "text_1", "text_2"),
)


class TooManyItems(InvalidRequest):
    """A body has more items than the operator allows, whatever they are."""


async def read_body(request: Request, model: type[M]) -> M:
    """Read and validate the body of a request; the errors are those of `read_json` and `validate`."""
    return await validate(await read_json(request), model, request)


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body of a request: a JSON object. Large ones are parsed in a thread.

    Raises:
        ApiError: 400 for a wrong content type, or what is no JSON object; 408 where the body does not arrive in time;
            413 where it is too long.
        ClientGone: the connection was lost before the body's end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        found = f"not as {show(kind)}" if kind else "but the request names no type"
        raise ApiError(400, "Bad Request", f"The body must be sent as 'Content-Type: application/json', {found}.")
    raw = await _read_bytes(request)
    data = await asyncio.to_thread(_parse, raw) if len(raw) > _LARGE else _parse(raw)
    if not isinstance(data, dict):
        raise ApiError(400, "Bad Request", f"The body must be a JSON object, not {show(data)}.", param="body")
    given = data.get("request_id")
    claim_request_id(request, given if isinstance(given, str) else None)  # refusals of the body carry it, too
    return data


async def validate(
    data: Mapping[str, Any],
    model: type[M],
    request: Request | None = None,
    *,
    first: Callable[[M], None] | None = None,
) -> M:
    """Turn a JSON object into a model. A field that is null counts as absent, as in every dialect offered here.

    Args:
        data: the body.
        model: what it must fit.
        request: whose body it is, so that what the operator allows counts; without it nothing extra is allowed.
        first: checks what fits the model, before settings that only operators make are refused.

    Raises:
        TooManyItems: a list has more items than the operator allows.
        InvalidRequest: a field has a value that is refused for a reason of its own.
        ApiError: 400 where it does not fit the model.
    """
    if request is not None and issubclass(model, CommonFields):
        given = {name: data.get(name) for name in _LISTS if name in model.model_fields}
        _check_counts(given, state_of(request).config.max_items_per_request)
    switches = Switches() if request is None else Switches.of(state_of(request).config)
    lists = [value for value in data.values() if isinstance(value, list)]
    if sum(len(part) for value in lists for part in (value, *value) if isinstance(part, list)) > _MANY:
        body = await asyncio.to_thread(_validate, data, model, switches)
    else:
        body = _validate(data, model, switches)
    if request is not None:
        request.state.deprecated = switches.deprecated
    if first is not None:
        first(body)
    if isinstance(body, CommonFields):
        body.check_trusted()
    return body


def _check_counts(data: Mapping[str, Any], most: int) -> None:
    """Refuse too many items before each of them is looked at, which would take seconds for millions."""
    for name, value in data.items():
        if isinstance(value, list) and len(value) > most and not _is_one_item(value):
            raise TooManyItems(f"{name} has {len(value)} elements; at most {most} are allowed.", param=name)


def _is_one_item(value: list[Any]) -> bool:
    """Tell whether a list is one text, as token ids, or one conversation, by its ends."""
    ends = (value[0], value[-1])
    return type(ends[0]) is int or all(isinstance(end, dict) and "role" in end for end in ends)


def _validate(data: Mapping[str, Any], model: type[M], switches: Switches) -> M:
    try:
        given = {name: value for name, value in data.items() if value is not None}
        return model.model_validate(given, context=switches)
    except ValidationError as exc:
        raise _refusal(exc, model.__name__) from exc


async def _read_bytes(request: Request) -> bytes:
    timeout = state_of(request).config.request_timeout
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(timeout):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunks.append(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError as exc:
        text = f"The request body did not arrive within {timeout:g} s."
        raise ApiError(408, "Request Timeout", text, headers={"Connection": "close"}) from exc
    return b"".join(chunks)


def _parse(raw: bytes) -> Any:
    # orjson refuses NaN, Infinity, invalid UTF-8, lone surrogates and nesting beyond 1024 levels by itself, and reads
    # integers beyond 64 bits as floats, which strict models then refuse.
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        reason = shorten(str(exc))
        raise ApiError(400, "Bad Request", f"The body is not valid JSON: {reason}.", param="body") from exc


def _refusal(exc: ValidationError, name: str) -> InvalidRequest | ApiError:
    """Return what a model's own validator raised, since it names its field itself, or what pydantic complains of."""
    if exc.error_count() > _READABLE:
        text = f"{exc.error_count()} values in the body do not fit."
        return ApiError(400, "Bad Request", text, param=f"body.{name}")
    errors = exc.errors(include_url=False)
    causes = (item.get("ctx", {}).get("error") for item in errors)
    return next((cause for cause in causes if isinstance(cause, InvalidRequest)), None) or _schema_error(errors, name)


def _schema_error(errors: list[ErrorDetails], name: str) -> ApiError:
    entries = []
    for item in errors[:_MAX_ENTRIES]:
        where = shorten(".".join(str(part) for part in item["loc"])) or "body"
        given = "" if item["type"] == "missing" else f" (given: {show(item['input'])})"
        text = item["msg"].removeprefix("Value error, ")
        entries.append(shorten(f"{where}: {text}{given}", _MAX_ENTRY))
    if len(errors) > _MAX_ENTRIES:
        entries.append(f"and {len(errors) - _MAX_ENTRIES} more")
    first = ".".join(str(part) for part in errors[0]["loc"])
    param = f"body.{name}.{first}" if first else f"body.{name}"
    return ApiError(400, "Bad Request", "; ".join(entries), param=shorten(param))
