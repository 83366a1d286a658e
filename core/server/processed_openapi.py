"""What `/openapi.json` says of bodies with `data`: one form for each selected processor, beside the native one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cenote.io_processors.loaded import LoadedProcessor
from cenote.server.openapi import hoist, schema_of, settle
from cenote.server.processed_fields import ProcessedRequest

__all__ = ["with_processors"]

_log = logging.getLogger(__name__)

_JSON = "application/json"
#: Examples that the document has of one processor.
_MOST = 3


def with_processors(extra: dict[str, Any], processors: Mapping[str, LoadedProcessor]) -> dict[str, Any]:
    """Return `openapi_extra` of `/pooling` with the forms of some processors.

    A body fits exactly one form: without `data` the native one, else that of the processor that `io_processor` names,
    which the first one does not need.

    Args:
        extra: of the native form, as `json_body_schema` gives it; its late schemas are made.
        processors: by name, the default one first.
    """
    if not processors:
        return extra
    settle(extra)
    body, reply = extra["requestBody"]["content"][_JSON], extra["responses"]["200"]["content"]
    definitions: dict[str, Any] = {}
    forms = [hoist(body["schema"], definitions) | {"not": {"required": ["data"]}}]
    replies = [hoist(reply[_JSON]["schema"], definitions)]
    examples = dict(body["examples"])
    default = next(iter(processors))
    for name, who in processors.items():
        forms.append(_form(who, definitions, is_default=name == default))
        replies.append(_reply(who, definitions))
        examples |= _examples(who, is_default=name == default)
    request = {"schema": {"oneOf": forms, "$defs": definitions}, "examples": examples}
    answer = {**reply, _JSON: {"schema": {"anyOf": replies, "$defs": definitions}}}
    success = {**extra["responses"]["200"], "content": answer}
    return {
        **extra,
        "requestBody": {"required": True, "content": {_JSON: request}},
        "responses": {**extra["responses"], "200": success},
    }


def _form(who: LoadedProcessor, definitions: dict[str, Any], *, is_default: bool) -> dict[str, Any]:
    form = hoist(schema_of(ProcessedRequest), definitions)
    properties = {
        **form["properties"],
        "data": _schema(who, who.request_model, definitions, is_reply=False),
        "io_processor": {"const": who.name, "type": "string", "description": f"Of {who.distribution}."},
        "task": {"const": "plugin", "type": "string"},
    }
    required = ["data"] if is_default else ["data", "io_processor"]
    title = f"IO processor {who.name}"
    described = {"description": who.description} if who.description else {}
    return {**form, "title": title, **described, "properties": properties, "required": required}


def _reply(who: LoadedProcessor, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"Answer of the IO processor {who.name}",
        "type": "object",
        "properties": {
            "request_id": {"type": "string"},
            "created_at": {"type": "integer"},
            "data": _schema(who, who.response_model, definitions, is_reply=True),
        },
        "required": ["request_id", "created_at", "data"],
    }


def _schema(
    who: LoadedProcessor, model: type[BaseModel] | None, definitions: dict[str, Any], *, is_reply: bool
) -> dict[str, Any]:
    """Return the schema of a processor's model; any JSON where it has none, or one that JSON Schema cannot tell."""
    if model is None:
        return {}
    try:
        return hoist(schema_of(model, is_reply=is_reply), definitions)
    except PydanticUserError as exc:
        _log.warning("%s: %s has no JSON schema, and is described as any JSON: %s", who.subject, model.__name__, exc)
        return {}


def _examples(who: LoadedProcessor, *, is_default: bool) -> dict[str, Any]:
    found = {}
    for number, data in enumerate(who.examples[:_MOST], 1):
        try:
            value = {"data": to_jsonable_python(data)}
        except PydanticSerializationError as exc:
            _log.warning("%s: example %d is no JSON, and is left out: %s", who.subject, number, exc)
            continue
        name = f"IO processor {who.name}" + (f", {number}" if number > 1 else "")
        found[name] = {"value": value if is_default else {**value, "io_processor": who.name}}
    return found
