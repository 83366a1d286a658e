"""Errors of single items, with `on_error: "item"`: the same words, types and codes as errors of whole requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import TypedDict

from cenote.errors import CenoteError, InvalidRequest, NonFiniteResult
from cenote.outputs import RequestError
from cenote.server.errors import HIDDEN, error_row

if TYPE_CHECKING:
    from cenote.engine.async_llm import OnError
    from cenote.outputs import RequestOutput

__all__ = ["ItemError", "item_error", "write_items"]

R = TypeVar("R", bound="RequestOutput[Any]")
T = TypeVar("T")


class ItemError(TypedDict):
    """Why one item of a request has no result; the fields are those of an error of the whole request."""

    message: str
    type: str
    param: str | None
    code: int


def item_error(error: RequestError) -> ItemError:
    """Return the error of one item as answers carry it."""
    if error.kind is None:
        kind = "BadRequestError" if error.code < 500 else "InternalServerError"
        return {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    status, kind, is_told = error_row(error.kind)
    return {"message": error.message if is_told else HIDDEN, "type": kind, "param": error.param, "code": status}


def write_items(outputs: Sequence[R], on_error: OnError, write: Callable[[Sequence[R]], T]) -> T:
    """Write the results of a request, of which some may not fit the form that is asked for.

    Args:
        outputs: one per item.
        on_error: `item` gives a result that cannot be written an `error`, and the others go out.
        write: makes the answer, of any of the results.

    Raises:
        NonFiniteResult: a number is NaN or infinite, and `on_error` is `raise`.
        InvalidRequest: a vector cannot be quantised as asked, and `on_error` is `raise`.
    """
    try:
        return write(outputs)
    except (InvalidRequest, NonFiniteResult):
        if on_error == "raise":
            raise
    return write([_settled(output, write) for output in outputs])


def _settled(output: R, write: Callable[[Sequence[R]], object]) -> R:
    try:
        write([output])
    except (InvalidRequest, NonFiniteResult) as exc:
        return replace(output, error=_request_error(exc))
    return output


def _request_error(exc: CenoteError) -> RequestError:
    status, _, _ = error_row(type(exc))
    return RequestError(code=status, message=str(exc), param=getattr(exc, "param", None), kind=type(exc))
