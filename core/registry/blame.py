"""Calling code of a plugin so that whatever it does wrong is an error that names the plugin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, ParamSpec, Self, TypeVar

from cenote.errors import InvalidRequest, MediaUnavailable, PluginFailure, WrongResult
from cenote.registry.entry import Entry
from cenote.registry.problems import is_ctrl_c

__all__ = ["Blame"]

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Blame:
    """Whom the errors of some code name.

    Attributes:
        subject: what failed and whose it is, as a sentence begins with it: "The kernel 'a:b' of cenote-acme 1.2".
        plugin: entry-point name.
        distribution: name of the distribution that offers it.
        failure: class of the errors for what the code raises.
        mistake: class of the errors for results that break the interface.
    """

    subject: str
    plugin: str
    distribution: str
    failure: type[PluginFailure] = PluginFailure
    mistake: type[PluginFailure] = WrongResult

    @classmethod
    def of(cls, kind: str, entry: Entry, error: type[PluginFailure] | None = None) -> Self:
        """Name an entry, as what the host calls such a thing; `error` is a class for both kinds of errors."""
        classes = {} if error is None else {"failure": error, "mistake": error}
        return cls(f"The {kind} {entry.name!r} of {entry.source}", entry.name, entry.distribution, **classes)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call code of the plugin.

        Raises:
            InvalidRequest: the plugin refuses the request.
            MediaUnavailable: it waited for a medium that did not come.
            PluginFailure: it raised anything else, `SystemExit` included. The log has the cause.
        """
        try:
            return function(*args, **kwargs)
        except BaseException as exc:  # sys.exit() in a plugin, say, must not end the host
            self.reraise(exc)

    def reraise(self, cause: BaseException) -> NoReturn:
        """Raise what becomes of an exception of the code, as `call` says. To be called where it is caught."""
        if isinstance(cause, InvalidRequest | MediaUnavailable | PluginFailure) or is_ctrl_c(cause):
            raise cause
        raise self.failed(cause) from cause

    def failed(self, cause: BaseException) -> PluginFailure:
        """Log what the code raised, and return the error for it, which does not repeat a foreign text."""
        _log.error("%s failed", self.subject, exc_info=cause)
        text = f"{self.subject} failed ({type(cause).__name__})."
        return self.failure(text, plugin=self.plugin, distribution=self.distribution)

    def wrong(self, what: str) -> PluginFailure:
        """Return the error for a result that breaks the interface, such as "returned 2 rows for 3 prompts"."""
        return self.mistake(f"{self.subject} {what}.", plugin=self.plugin, distribution=self.distribution)
