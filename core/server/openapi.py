"""What routes say of themselves for `/openapi.json`: bodies, examples, replies and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from cenote.server.api_error import ApiError

if TYPE_CHECKING:
    from cenote.server.envelopes import Envelope

__all__ = ["LateSchema", "error_replies", "hoist", "json_body_schema", "reply_schema", "schema_of", "settle"]

_PREFIX = "#/components/schemas/"
_REFERENCE = _PREFIX + "{model}"
_JSON = "application/json"
_SAMPLES = (
    ApiError(400, "Bad Request", "What was asked, what was found, and what to do.", param="input"),
    ApiError(400, "Bad Request", "What was asked, what was found, and what to do."),
)


@dataclass(frozen=True, slots=True)
class LateSchema:
    """A schema that is made when the document is asked for: making all of them takes a tenth of a server's start."""

    kind: Any
    is_reply: bool = False


def settle(node: dict[str, Any]) -> None:
    """Make every late schema in what a route says of itself, in place: the framework may hold the same dictionary."""
    for key, value in node.items():
        if isinstance(value, LateSchema):
            node[key] = schema_of(value.kind, is_reply=value.is_reply)
        elif isinstance(value, dict):
            settle(value)


def json_body_schema(
    model: Any,
    *,
    example: Mapping[str, Any] | None = None,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    response: Any = None,
    media: Sequence[str] = (),
    errors: Sequence[Envelope] = (),
) -> dict[str, Any]:
    """Return `openapi_extra` of a route that reads its body with `read_body`; its schemas are late ones.

    Args:
        model: the pydantic model of the body, or a union of models where one route speaks several dialects.
        example: a body that works as it stands on every server that has this route, so without `model`.
        examples: several such bodies, each under a few words that say what it shows.
        response: type of the answer: a TypedDict (of `typing_extensions`), a pydantic model, `list[float]`, a union.
        media: further content types of a successful answer, such as "application/octet-stream".
        errors: envelopes of dialects that the body chooses; the one of the path is known without.
    """
    shown = dict(examples or {}) | ({"example": example} if example is not None else {})
    content: dict[str, Any] = {"schema": LateSchema(model)}
    if shown:
        content["examples"] = {name: {"value": dict(body)} for name, body in shown.items()}
    return {
        "requestBody": {"required": True, "content": {_JSON: content}},
        **reply_schema(response, media=media, errors=errors),
    }


def reply_schema(
    response: Any = None, *, media: Sequence[str] = (), errors: Sequence[Envelope] = (), is_open: bool = False
) -> dict[str, Any]:
    """Return `openapi_extra` of a route without a body; its schemas are late ones.

    Args:
        response: as in `json_body_schema`.
        media: as in `json_body_schema`.
        errors: as in `json_body_schema`.
        is_open: the route is marked with `open_to_all`, and needs no key.
    """
    replies: dict[str, Any] = {}
    if response is not None or media:
        content: dict[str, Any] = {kind: {"schema": {"type": "string"}} for kind in media}
        if response is not None:
            content[_JSON] = {"schema": LateSchema(response, is_reply=True)}
        replies["200"] = {"description": "Success", "content": content}
    extra: dict[str, Any] = {"responses": {**replies, **(error_replies(errors) if errors else {})}}
    return {**extra, "security": []} if is_open else extra


def schema_of(kind: Any, *, is_reply: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a type; the document moves its `$defs` to the components that it refers to."""
    adapter = TypeAdapter(kind)
    return adapter.json_schema(ref_template=_REFERENCE, mode="serialization" if is_reply else "validation")


def hoist(schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Move a schema's `$defs` to others that it may refer to; two that differ under one name get different names.

    Args:
        schema: stays as it is.
        shared: definitions by name; those of the schema are added.

    Returns:
        The schema without its `$defs`.
    """
    found: dict[str, Any] = schema.get("$defs", {})
    targets = {name: name for name in found}
    before: dict[str, str] = {}
    while targets != before:  # what refers to a renamed definition differs as well
        before = dict(targets)
        for name, definition in found.items():
            while shared.get(targets[name], written := _rename(definition, targets)) != written:
                targets[name] += "_"
    for name, definition in found.items():
        shared[targets[name]] = _rename(definition, targets)
    moved: dict[str, Any] = _rename({key: value for key, value in schema.items() if key != "$defs"}, targets)
    return moved


def _rename(node: Any, targets: Mapping[str, str]) -> Any:
    """Return a copy of a schema whose references have new names."""
    if isinstance(node, dict):
        return {
            key: _moved(value, targets) if key == "$ref" and isinstance(value, str) else _rename(value, targets)
            for key, value in node.items()
        }
    return [_rename(item, targets) for item in node] if isinstance(node, list) else node


def _moved(reference: str, targets: Mapping[str, str]) -> str:
    name = reference.removeprefix(_PREFIX)
    return reference if name == reference else _PREFIX + targets.get(name, name)


def error_replies(envelopes: Sequence[Envelope]) -> dict[str, Any]:
    """Return the responses `4XX` and `5XX` of a route whose errors come in these envelopes."""
    bodies = [[envelope(sample)[1] for sample in _SAMPLES] for envelope in envelopes]
    shapes: list[dict[str, Any]] = []
    for samples in bodies:
        if (shape := _shape(samples)) not in shapes:
            shapes.append(shape)
    content = {_JSON: {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}, "example": bodies[0][0]}}
    return {
        "4XX": {"description": "The request was refused.", "content": content},
        "5XX": {"description": "The server could not answer.", "content": content},
    }


def _shape(samples: Sequence[Any]) -> dict[str, Any]:
    """Return the JSON schema that fits some samples, so that no envelope is described twice."""
    if all(isinstance(sample, dict) for sample in samples):
        names = list(dict.fromkeys(name for sample in samples for name in sample))
        return {
            "type": "object",
            "properties": {name: _shape([sample[name] for sample in samples if name in sample]) for name in names},
            "required": [name for name in names if all(name in sample for sample in samples)],
        }
    kinds = sorted({_KINDS.get(type(sample), "object") for sample in samples})
    return {"type": kinds[0] if len(kinds) == 1 else kinds}


_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", list: "array"}
