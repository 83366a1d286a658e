"""`--middleware`: classes and functions of the operator's, by dotted path."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest

__all__ = ["extra_middleware"]


def extra_middleware(config: ServerConfig) -> list[Middleware]:
    """Return what `--middleware` names, the first outermost.

    A class is ASGI middleware, made as `cls(app)`. A coroutine function is HTTP middleware, called with the request
    and with what calls the rest. Both run before the API key is checked.

    Raises:
        InvalidRequest: a path leads nowhere, or to something else.
    """
    return [_wrap(path, _find(path)) for path in config.middleware]


def _wrap(path: str, found: Any) -> Middleware:
    if inspect.isclass(found):
        kind: Any = found
        return Middleware(kind)
    if inspect.iscoroutinefunction(found):
        return Middleware(BaseHTTPMiddleware, dispatch=found)
    raise _refusal(path, f"is a {type(found).__name__}, and must be a class or a coroutine function")


def _find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if not module:
        raise _refusal(path, "names no module; write it as package.module.name")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as exc:
        raise _refusal(path, f"is not there: {module} has no {name!r}") from exc
    except Exception as exc:  # whatever the module does when it is imported
        reason = (str(exc).strip().splitlines() or [""])[0]
        raise _refusal(path, f"cannot be imported: {type(exc).__name__}: {reason}") from exc


def _refusal(path: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"--middleware {path} {problem}.", param="middleware")
