"""`/tokenizer_info`: the settings of a model's tokenizer, for operators who enable it; no path of the server."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from cenote.engine.loader import read_template
from cenote.server.openapi import reply_schema
from cenote.server.route_context import RouteContext
from cenote.server.tokenize_run import named_model

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["tokenizer_info_routes"]

#: Where the files lie and how they were fetched, not what they say.
_PLACES = frozenset(
    {"name_or_path", "cache_dir", "is_local", "local_files_only", "token", "use_auth_token", "revision"}
)
_DEEPEST = 8


def tokenizer_info_routes(context: RouteContext) -> APIRouter:
    """Return the route, for servers whose operator offers it; the set of routes `tokenizer-info`."""
    del context
    router = APIRouter(tags=["tokenize"])

    @router.get("/tokenizer_info", summary="Settings of a tokenizer", openapi_extra=reply_schema(dict[str, Any]))
    async def tokenizer_info(request: Request, model: str | None = None) -> Response:
        served = named_model(request, model)
        body = await asyncio.to_thread(_describe, served.engine)
        return Response(orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), media_type="application/json")

    return router


def _describe(engine: AsyncLLM) -> dict[str, Any]:
    tokenizer = engine.get_tokenizer()
    settings = {name: _plain(value) for name, value in tokenizer.init_kwargs.items() if not _is_place(name, value)}
    settings["tokenizer_class"] = type(tokenizer).__name__
    template = read_template(engine.config.chat_template) or tokenizer.chat_template
    if template:
        settings["chat_template"] = _plain(template)
    return settings


def _is_place(name: str, value: Any) -> bool:
    names_file = name in _PLACES or name.endswith(("_file", "_path", "_dir"))
    return names_file or (isinstance(value, str) and os.path.isabs(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON knows it; special tokens become their texts, what is none of these its type's name."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, dict) and depth < _DEEPEST:
        return {str(key): _plain(item, depth + 1) for key, item in value.items() if not _is_place(str(key), item)}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_plain(item, depth + 1) for item in value]
    content = getattr(value, "content", None)
    return content if isinstance(content, str) else type(value).__name__
