"""The document at `/openapi.json`: what the framework derives from the routes, made complete and self-contained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from cenote.config.server import ServerConfig
from cenote.server.auth import GUARDED
from cenote.server.envelopes import ErrorWriter
from cenote.server.openapi import error_replies, hoist, settle

__all__ = ["openapi_document"]

_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_VALIDATION_ERROR = ("HTTPValidationError", "ValidationError")


def openapi_document(
    app: FastAPI, config: ServerConfig, errors: ErrorWriter, routes: Sequence[BaseRoute]
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of an app, with the errors of each route and every reference resolved.

    Args:
        app: what is described.
        config: its options.
        errors: knows the envelope of each path.
        routes: those of the app whose schemas are late.
    """
    for route in routes:
        settle(getattr(route, "openapi_extra", None) or {})
    document = app.openapi()
    if config.root_path:
        document["servers"] = [{"url": config.root_path}]
    components = document.setdefault("components", {})
    components["schemas"] = {
        name: schema for name, schema in components.get("schemas", {}).items() if name not in _VALIDATION_ERROR
    }
    for path, operation in _operations(document):
        _drop_defaults(operation)
        _add_errors(operation, errors, path)
        if not path.startswith(GUARDED[config.guarded_routes]):
            operation["security"] = []
        for content in _contents(operation):
            if "schema" in content:
                content["schema"] = hoist(content["schema"], components["schemas"])
    if config.api_keys:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        yield from ((path, item[method]) for method in _METHODS if method in item)


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def _drop_defaults(operation: dict[str, Any]) -> None:
    """Remove what the framework supposes: an answer of any JSON, where a route says what its answer is."""
    success = operation["responses"].get("200", {})
    if success.get("content", {}).get("application/json") == {"schema": {}}:
        del success["content"]["application/json"]
        if not success["content"]:
            del success["content"]
    operation["responses"].pop("422", None)  # its own validation, which nothing here uses


def _add_errors(operation: dict[str, Any], errors: ErrorWriter, path: str) -> None:
    """Describe the errors in the envelope of the path, besides those that the route names itself."""
    replies = operation["responses"]
    for status, reply in error_replies([errors.envelope_of(path)]).items():
        named = replies.setdefault(status, reply)
        if named is reply:
            continue
        known, own = (entry["content"]["application/json"] for entry in (named, reply))
        shapes = known["schema"].get("anyOf", [known["schema"]])
        if own["schema"] not in shapes:
            known["schema"] = {"anyOf": [*shapes, own["schema"]]}
