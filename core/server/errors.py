"""Errors on the wire: one table from error classes to statuses, and one place that catches the rest."""

from __future__ import annotations

import http
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.errors import (
    CenoteError,
    EngineClosed,
    InvalidRequest,
    MediaFetchError,
    MediaUnavailable,
    MissingDependency,
    ModelNotFound,
    NonFiniteResult,
    PluginFailure,
    ProcessorError,
    QueueFull,
)
from cenote.server.api_error import ApiError, ClientGone
from cenote.server.auth import RequireApiKey
from cenote.server.contained import contained
from cenote.server.envelopes import ErrorWriter
from cenote.server.text import shorten

__all__ = ["HANDLED", "HIDDEN", "CatchAll", "ErrorHandler", "error_handler", "error_row", "to_api_error"]

_log = logging.getLogger(__name__)

#: First match wins. Other errors, ours included, are 500 with a generic text: their messages may name server paths.
_TABLE: tuple[tuple[type[CenoteError], int, str], ...] = (
    (ModelNotFound, 404, "NotFoundError"),
    (MediaFetchError, 422, "UnprocessableEntityError"),
    (InvalidRequest, 400, "BadRequestError"),
    (MediaUnavailable, 500, "InternalServerError"),
    (MissingDependency, 501, "NotImplementedError"),  # names what the operator has to install
    (QueueFull, 429, "TooManyRequestsError"),
    (EngineClosed, 503, "ServiceUnavailableError"),
    (NonFiniteResult, 500, "NonFiniteResultError"),
    (PluginFailure, 500, "InternalServerError"),
    (ProcessorError, 500, "InternalServerError"),  # unless it says another status itself
)
#: Statuses that an IO processor's error may say.
_PROCESSOR_TYPES = {
    400: "BadRequestError",
    422: "UnprocessableEntityError",
    429: "TooManyRequestsError",
    501: "NotImplementedError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
}
#: Errors that are raised on purpose, by routes or by the framework.
HANDLED = (HTTPException, RequestValidationError, CenoteError)
#: Answers one of them.
ErrorHandler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]
#: What clients read in place of a text that may tell of the server.
HIDDEN = "The server failed to answer this request. Its log has the reason, under this X-Request-Id."


def to_api_error(exc: Exception) -> ApiError:
    """Translate any exception; what is not in the table becomes a 500 that says nothing of its cause."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, HTTPException):
        return ApiError(exc.status_code, _phrase(exc.status_code), str(exc.detail), headers=exc.headers)
    if isinstance(exc, RequestValidationError):
        return ApiError(400, "Bad Request", _framework_message(exc))
    status, name, is_told = error_row(type(exc))
    if isinstance(exc, ProcessorError) and exc.status in _PROCESSOR_TYPES:
        status, name = exc.status, _PROCESSOR_TYPES[exc.status]
    headers = {"Retry-After": str(max(1, math.ceil(exc.retry_after)))} if isinstance(exc, QueueFull) else None
    return ApiError(status, name, str(exc) if is_told else HIDDEN, param=getattr(exc, "param", None), headers=headers)


def error_row(kind: type[Exception]) -> tuple[int, str, bool]:
    """Return the status and the `type` of a class of errors, and whether clients may read the text of such an error."""
    rows = ((status, name, True) for known, status, name in _TABLE if issubclass(kind, known))
    return next(rows, (500, "InternalServerError", False))


def error_handler(errors: ErrorWriter, guard: RequireApiKey) -> ErrorHandler:
    """Return what answers every error that a route raises on purpose in the envelope, and what no route takes."""

    async def handle(request: Request, exc: Exception) -> Response:
        error = to_api_error(exc)
        if isinstance(exc, HTTPException) and not isinstance(exc, ApiError):
            error = _unrouted(request, error, guard)
        if error.status_code >= 500 and error.status_code != 501:  # the model that a client chose is no fault of ours
            # Only the unexpected needs a stack; the others say all that there is to say.
            hidden = error.detail == HIDDEN
            text, cause = (exc, exc) if hidden else (error.detail, None)
            # Clients choose hosts, so that what those do is no error of the server.
            level = logging.WARNING if isinstance(exc, MediaUnavailable) else logging.ERROR
            _log.log(level, "request %s: %d %s", _request_id(request.scope), error.status_code, text, exc_info=cause)
        return errors.response(error, request.scope)

    return handle


def _unrouted(request: Request, error: ApiError, guard: RequireApiKey) -> ApiError:
    """Return what to say where the framework found no route (404) or no such verb of it (405)."""
    try:
        guard.check_unrouted(request.scope)
    except ApiError as refusal:
        return refusal
    if error.status_code != 404 or "endpoint" in request.scope:  # a route was found, and itself says 404
        return error
    path = shorten(request.scope["path"])  # not request.url, which is made from the Host header
    return ApiError(404, "Not Found", f"There is no route {shorten(request.method, 20)} {path}.")


class CatchAll:
    """Turn an unexpected exception into a 500 envelope, and log it with its stack."""

    def __init__(self, app: ASGIApp, errors: ErrorWriter) -> None:
        self._app = app
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await contained(self._app(scope, receive, note_start))  # middleware may be anybody's, too
        except ClientGone:
            _log.info("request %s: the client left", _request_id(scope))
        except Exception as exc:
            _log.error("request %s failed", _request_id(scope), exc_info=exc)
            if started:
                raise
            await self._errors.response(to_api_error(exc), scope)(scope, receive, send)


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", "-"))


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _framework_message(exc: RequestValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {shorten(str(item['msg']))}" for item in exc.errors()[:10]
    )
