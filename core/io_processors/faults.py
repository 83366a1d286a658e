"""What the exceptions of a processor's hooks mean for whoever asked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest, ProcessorError, ProcessorRefusal
from cenote.io_processors.loaded import LoadedProcessor

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["failed", "fault", "first_path", "located", "refused"]

_log = logging.getLogger(__name__)

#: By hook, what says that the data is to blame.
_REFUSING: dict[str, tuple[type[Exception], ...]] = {
    "parse_data": (ValueError, TypeError),
    "pre_process": (ValueError,),
}
#: Complaints of pydantic that one message repeats.
_MOST = 3
#: Characters of a path.
_LONGEST = 200


def fault(who: LoadedProcessor, hook: str, cause: BaseException) -> ProcessorError:
    """Return the error for what a hook raised; the causes that clients may not read are logged with their stack."""
    if isinstance(cause, ProcessorError):
        return cause
    if isinstance(cause, (InvalidRequest, *_REFUSING.get(hook, ()))):
        param = cause.param if isinstance(cause, InvalidRequest) else None
        return refused(who, _text(cause), param)
    if isinstance(cause, NotImplementedError):
        _log.warning("%s: %s is not implemented", who.subject, hook, exc_info=cause)
        text = f"{who.subject} does not offer this: its {hook} is not implemented."
        return ProcessorError(text, plugin=who.name, distribution=who.distribution, status=501)
    _log.error("%s failed in %s", who.subject, hook, exc_info=cause)
    return failed(who, f"failed in {hook}; the log has the reason.")


def failed(who: LoadedProcessor, what: str, status: int = 500) -> ProcessorError:
    """Return the error where the processor is to blame."""
    return ProcessorError(f"{who.subject} {what}", plugin=who.name, distribution=who.distribution, status=status)


def refused(who: LoadedProcessor, why: str, param: str | None = None) -> ProcessorRefusal:
    """Return the error where the data is to blame."""
    text = f"{who.subject} refused the data{': ' if why else '.'}{why}"
    return ProcessorRefusal(text, plugin=who.name, distribution=who.distribution, status=400, param=param or "data")


def located(error: ValidationError, root: str) -> str:
    """Return pydantic's first complaints with the paths of the fields, and without their values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{_path(root, item['loc'])}: {item['msg']}" for item in found[:_MOST]]
    more = f" (and {len(found) - _MOST} more)" if len(found) > _MOST else ""
    return f"{'; '.join(lines)}{more}."


def first_path(error: ValidationError, root: str) -> str:
    """Return the path of the field that pydantic complains of first."""
    return _path(root, error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"])


def _path(root: str, where: tuple[int | str, ...]) -> str:
    """Return a path, cut: keys in it are the client's."""
    return ".".join((root, *map(str, where)))[:_LONGEST]


def _text(cause: BaseException) -> str:
    from pydantic import ValidationError

    return located(cause, "data") if isinstance(cause, ValidationError) else str(cause)
