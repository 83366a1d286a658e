"""What the exceptions of a processor's hooks mean for whoever asked."""

from __future__ import annotations

import logging
import math
import traceback
from typing import TYPE_CHECKING

from cenote.errors import (
    EngineClosed,
    InvalidRequest,
    MediaFetchError,
    MediaUnavailable,
    ProcessorBusy,
    ProcessorError,
    ProcessorRefusal,
    QueueFull,
)
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.threads import NoThreadLeft

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["Verdict", "complaints", "failed", "fault", "lost", "refused"]

_log = logging.getLogger(__name__)

#: By hook, what says that the data is to blame.
_REFUSING: dict[str, tuple[type[Exception], ...]] = {
    "parse_data": (ValueError, TypeError),
    "pre_process": (ValueError,),
}
#: Statuses that a ProcessorError of a hook may say; its text stays in the log.
_STATUSES = (501, 503, 504)
_WHAT = {500: "failed", 503: "cannot work now: it failed", 504: "waited too long for something"}
#: Complaints of pydantic that one message repeats.
_MOST = 3
#: Complaints beyond which none is read: pydantic makes all of them or none.
_READABLE = 10_000
#: Characters of a path.
_LONGEST = 200
#: Seconds that a processor may tell clients to wait.
_PATIENCE = 3600.0


class Verdict(Exception):
    """What the host itself found wrong around a hook; a hook that raises the same kind of error is not believed.

    Attributes:
        error: for whoever asked.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def fault(who: LoadedProcessor, hook: str, cause: BaseException) -> Exception:
    """Return the error for what a hook raised; the causes that clients may not read are logged with their stack."""
    if isinstance(cause, Verdict):
        return cause.error
    if isinstance(cause, NoThreadLeft):
        return lost(who, cause)
    if isinstance(cause, QueueFull):
        return _busy(who, cause)
    if isinstance(cause, (InvalidRequest, *_REFUSING.get(hook, ()))):
        _note_refusal(who, hook, cause)
        text, param = _told(cause)
        return refused(who, text, param, status=422 if isinstance(cause, MediaFetchError) else 400)
    if isinstance(cause, MediaUnavailable):
        _log.error("%s could not load a medium in %s", who.subject, hook, exc_info=cause)
        return failed(who, f"could not load a medium: {_told(cause)[0]}")
    status = _status(cause)
    if status == 501:
        _log.warning("%s: %s is not implemented", who.subject, hook, exc_info=cause)
        return failed(who, f"does not offer this: its {hook} is not implemented.", status=status)
    _log.error("%s failed in %s", who.subject, hook, exc_info=cause)
    return failed(who, f"{_WHAT[status]} in {hook}; the log has the reason.", status=status)


def _note_refusal(who: LoadedProcessor, hook: str, cause: BaseException) -> None:
    """Log a refusal; one that a library may have raised instead of the processor, so that its author sees it."""
    if not isinstance(cause, InvalidRequest):
        kind, place = type(cause).__name__, _place(cause)
        text = "%s: %s%s in %s is told to the client as a refusal of its data; its stack is logged at level DEBUG"
        _log.info(text, who.subject, kind, place, hook)
    _log.debug("%s refused the data in %s", who.subject, hook, exc_info=cause)


def _place(cause: BaseException) -> str:
    """Return where an exception was raised, or nothing."""
    frames = traceback.extract_tb(cause.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def failed(who: LoadedProcessor, what: str, status: int = 500) -> ProcessorError:
    """Return the error where the processor is to blame."""
    return ProcessorError(f"{who.subject} {what}", plugin=who.name, distribution=who.distribution, status=status)


def refused(who: LoadedProcessor, why: str, param: str | None = None, status: int = 400) -> ProcessorRefusal:
    """Return the error where the data is to blame."""
    text = f"{who.subject} refused the data{': ' if why else '.'}{why}"
    return ProcessorRefusal(text, plugin=who.name, distribution=who.distribution, status=status, param=param or "data")


def lost(who: LoadedProcessor, cause: NoThreadLeft) -> ProcessorError:
    """Return the error where calls that never ended hold all threads."""
    text = f"cannot work now: {cause.count} of its calls never ended, though their requests did, and hold its threads."
    return failed(who, text, status=503)


def complaints(error: ValidationError, root: str) -> tuple[str, str]:
    """Return pydantic's first complaints with the paths of the fields, without their values, and the first path."""
    count = error.error_count()
    if count > _READABLE:
        return f"{count} things in it do not fit.", root
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{_path(root, item['loc'])}: {item['msg']}" for item in found[:_MOST]]
    more = f" (and {count - _MOST} more)" if count > _MOST else ""
    return f"{'; '.join(lines)}{more}.", _path(root, found[0]["loc"])


def _path(root: str, where: tuple[int | str, ...]) -> str:
    """Return a path, cut: keys in it are the client's."""
    return ".".join((root, *map(str, where)))[:_LONGEST]


def _status(cause: BaseException) -> int:
    if isinstance(cause, ProcessorError):
        return cause.status if cause.status in _STATUSES else 500
    kinds = ((NotImplementedError, 501), (EngineClosed, 503), (TimeoutError, 504))
    return next((status for kind, status in kinds if isinstance(cause, kind)), 500)


def _busy(who: LoadedProcessor, cause: QueueFull) -> ProcessorBusy:
    text, _ = _told(cause)
    seconds = getattr(cause, "retry_after", None)
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        seconds = 1.0
    return ProcessorBusy(
        f"{who.subject} is busy{': ' if text else '.'}{text}",
        plugin=who.name,
        distribution=who.distribution,
        retry_after=min(max(seconds, 1.0), _PATIENCE),
    )


def _told(cause: BaseException) -> tuple[str, str | None]:
    """Return the text of an exception for clients, and the field that it names; both are what a plugin made of them."""
    from pydantic import ValidationError

    if isinstance(cause, ValidationError):
        return complaints(cause, "data")[0], None
    try:
        text = _sendable(str(cause))
    except Exception:
        text = ""
    param = getattr(cause, "param", None)
    return text, _sendable(param) if isinstance(param, str) else None


def _sendable(text: str) -> str:
    """Return a text without lone surrogates, which no answer can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
