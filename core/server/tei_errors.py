"""Errors as text-embeddings-inference (TEI) writes them: `{"error": text, "error_type": kind}`.

Source: docs/openapi.json and router/src/http/server.rs of TEI 1.9.3. Where the two disagree (a batch that is too large
is 413 in the first and 422 in the second), the published document counts.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from cenote.server.api_error import ApiError
from cenote.server.envelopes import error_text

__all__ = ["TEI_ENVELOPES", "TeiKind", "tei_envelope", "tei_error"]

TeiKind: TypeAlias = Literal["Backend", "Empty", "Overloaded", "Tokenizer", "Unauthorized", "Unhealthy", "Validation"]

_STATUS: dict[str, int] = {"Validation": 422, "Tokenizer": 422, "Empty": 400, "Backend": 424, "Overloaded": 429}
#: Kinds of errors that come from elsewhere; any other one of the client is `Validation`, of the server `Backend`.
_BY_STATUS: dict[int, TeiKind] = {401: "Unauthorized", 429: "Overloaded", 503: "Unhealthy"}
#: What the advice in messages of the engine is called in this dialect.
_WORDS = {"truncate_prompt_tokens=-1": '"truncate": true'}
#: Refusals that name one of these come from tokenising, in every dialect.
_OF_TOKENISING = ("input", "messages", "token_type_ids")


def tei_error(kind: TeiKind, message: str, *, status: int | None = None, param: str | None = None) -> ApiError:
    """Return an error of TEI's.

    Args:
        kind: its `error_type`.
        message: what was asked, what was found and what to do.
        status: in place of the one that TEI gives this kind.
        param: the offending field; not on the wire, but in logs.
    """
    return ApiError(status or _STATUS[kind], kind, message, param=param)


def tei_envelope(error: ApiError) -> tuple[int, dict[str, Any]]:
    """Return status and body of an error on a route of this dialect, wherever it was raised."""
    status, kind = _translate(error)
    text = error_text(error)
    for ours, theirs in _WORDS.items():
        text = text.replace(ours, theirs)
    return status, {"error": text, "error_type": kind}


def _translate(error: ApiError) -> tuple[int, str]:
    status = error.status_code
    if error.type in _STATUS:
        return status, error.type
    if error.type == "BadRequestError":  # a value that no request can have here
        return 422, "Tokenizer" if error.param in _OF_TOKENISING else "Validation"
    if status == 400 and error.param is not None:  # JSON or a schema, not the connection
        return 422, "Validation"
    if status == 500:  # the model failed
        return 424, "Backend"
    return status, _BY_STATUS.get(status, "Backend" if status >= 500 else "Validation")


#: Paths that only this dialect has.
TEI_ENVELOPES = dict.fromkeys(
    ("/", "/embed", "/embed_all", "/embed_sparse", "/predict", "/similarity", "/decode", "/info"), tei_envelope
)
