"""Headers of Amazon SageMaker: the adapter that a request asks for, and sessions.

Source: the SageMaker runtime API (InvokeEndpoint), and model-hosting-container-standards 0.1, which vLLM 0.32 uses.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from cenote.errors import InvalidRequest

__all__ = ["answer_session", "with_adapter"]

_ADAPTER = "X-Amzn-SageMaker-Adapter-Identifier"
_SESSION = "X-Amzn-SageMaker-Session-Id"
_NEW, _CLOSED = "X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-Closed-Session-Id"
_SESSION_ID = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9])*")
#: How long a session is said to last; the same as in the containers of Amazon.
_LIFETIME = timedelta(minutes=20)


def with_adapter(request: Request, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body with the adapter of the header, if there is one, as its model."""
    name = request.headers.get(_ADAPTER, "").strip()
    return {**data, "model": name} if name else data


def answer_session(request: Request, data: Mapping[str, Any]) -> Response | None:
    """Open or close a session where the body asks for that, else return None.

    Pooling models remember nothing from one request to the next: a session exists so that SageMaker sends its requests
    to one machine, and any id in the right form is as good as another.

    Raises:
        InvalidRequest: the body asks for something else, or the id has another form.
    """
    session = request.headers.get(_SESSION, "")
    if session and not (len(session) <= 256 and (session == "NEW_SESSION" or _SESSION_ID.fullmatch(session))):
        raise InvalidRequest(f"{_SESSION} is not an id of a session.", param=_SESSION)
    asked = data.get("requestType")
    if asked is None:
        return None
    if asked == "NEW_SESSION":
        name, expires = str(uuid.uuid4()), datetime.now(UTC) + _LIFETIME
        return PlainTextResponse(
            f"Session {name} created", headers={_NEW: f"{name}; Expires={expires:%Y-%m-%dT%H:%M:%SZ}"}
        )
    if asked == "CLOSE" and session not in ("", "NEW_SESSION"):
        return PlainTextResponse(f"Session {session} closed", headers={_CLOSED: session})
    if asked == "CLOSE":
        raise InvalidRequest(f"To close a session, name it in the header {_SESSION}.", param=_SESSION)
    raise InvalidRequest("requestType must be NEW_SESSION or CLOSE.", param="requestType")
