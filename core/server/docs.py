"""`/openapi.json`, and `/docs`: Swagger UI from files of this machine, so that it works without a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import orjson
from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute

from cenote.config.server import ServerConfig
from cenote.server.envelopes import ErrorWriter
from cenote.server.openapi_document import openapi_document

__all__ = ["docs_router"]

#: Nothing from elsewhere, and nobody may show the page in a frame. Swagger UI sets styles on elements.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
# Addresses are relative, so that the page works under any prefix that a proxy gives it.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>cenote</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Without `validatorUrl: null` the page would send the document's address to swagger.io.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def docs_router(app: FastAPI, config: ServerConfig, errors: ErrorWriter, described: Sequence[BaseRoute]) -> APIRouter:
    """Return the routes of the documentation, which is of `described`; they need a key like every other route."""
    router = APIRouter(tags=["documentation"], include_in_schema=False)

    @cache
    def document() -> bytes:
        return orjson.dumps(openapi_document(app, config, errors, described))

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(document(), headers=_HEADERS, media_type="application/json")

    @router.get("/docs")
    async def page() -> Response:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, headers=_HEADERS, media_type="text/javascript")

    @router.get("/docs/swagger-ui-bundle.js")
    async def script() -> Response:
        return _bundled("swagger-ui-bundle.js", "text/javascript")

    @router.get("/docs/swagger-ui.css")
    async def style() -> Response:
        return _bundled("swagger-ui.css", "text/css")

    return router


def _bundled(name: str, kind: str) -> Response:
    """Return a file of Swagger UI 5, which the package fastapi-offline brings along."""
    path = Path(str(files("fastapi_offline") / "static" / name))
    return FileResponse(path, headers=_HEADERS, media_type=kind)
