"""One plugin that has hooks: called by itself, with what it raises logged and counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from cenote.errors import InvalidRequest
from cenote.hooks.mailbox import Mailbox
from cenote.hooks.methods import HookMethod
from cenote.registry.problems import is_ctrl_c

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

#: Seconds between two lines of the log about one hook of one plugin.
_QUIET = 60.0


class Listener:
    """A plugin and its hooks.

    Attributes:
        name: name of its entry.
        source: distribution and version.
        methods: its hooks.
        errors: how often each hook raised.
        dropped: events that it was not told, because too many waited.
    """

    def __init__(
        self,
        name: str,
        source: str,
        methods: Mapping[str, HookMethod],
        target: Callable[[], object | None],
        *,
        mailbox: Mailbox | None = None,
    ) -> None:
        """Know a plugin.

        Args:
            name: name of its entry.
            source: distribution and version.
            methods: its hooks.
            target: returns the module or object, or None once that is gone.
            mailbox: where it is told of events; None tells it in the thread where they happen.
        """
        self.name = name
        self.source = source
        self.methods = methods
        self.errors: Counter[str] = Counter()
        self.dropped = 0
        self.mailbox = mailbox
        self._target = target
        self._logged: dict[str, float] = {}

    @property
    def is_gone(self) -> bool:
        """Tell whether there is nothing left to call."""
        return self._target() is None

    def call(self, hook: str, arguments: Mapping[str, object], *, may_refuse: bool = False) -> Any:
        """Call a hook in this thread and return its answer; None where it raises.

        Args:
            hook: one of the plugin's.
            arguments: of the hook, all of them.
            may_refuse: the hook may raise `InvalidRequest`, to say that the operator's settings are wrong.

        Raises:
            InvalidRequest: the hook raised it, where it may.
        """
        plugin, method = self._target(), self.methods[hook]
        if plugin is None:
            return None
        try:
            return getattr(plugin, method.attribute)(**{name: arguments[name] for name in method.arguments})
        except BaseException as exc:  # sys.exit() in a plugin, say, must not end the host
            if is_ctrl_c(exc) or (may_refuse and isinstance(exc, InvalidRequest)):
                raise
            self.note(hook, exc)
            return None

    def tell(self, hook: str, event: object) -> None:
        """Call a hook with an event, in the plugin's thread where it has one."""
        if self.mailbox is None:
            self.call(hook, {"event": event})
        elif not self.mailbox.put(partial(self.call, hook, {"event": event})):
            self.dropped += 1
            self._log(f"{hook} (queue)", "is too slow for %s: %d events were dropped by now.", hook, self.dropped)

    def run(self, call: Callable[[], Any]) -> Future[Any]:
        """Run something of the plugin's in its thread; what it raises, or that too much waits, is in the future."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as exc:
                future.set_exception(exc)

        if self.mailbox is None:
            work()
        elif not self.mailbox.put(work):
            future.set_exception(TimeoutError("too much waits for the plugin"))
        return future

    def note(self, hook: str, cause: BaseException) -> None:
        """Count what a hook raised, and log it: the first time with its stack, then at most once a minute."""
        self.errors[hook] += 1
        count = self.errors[hook]
        if count == 1:
            self._log(hook, "failed in %s: %s: %s", hook, type(cause).__name__, cause, cause=cause)
        else:
            self._log(hook, "failed in %s, %d times by now: %s: %s", hook, count, type(cause).__name__, cause)

    def _log(self, subject: str, text: str, *values: object, cause: BaseException | None = None) -> None:
        now = time.monotonic()
        if now - self._logged.get(subject, float("-inf")) >= _QUIET:
            self._logged[subject] = now
            _log.error("plugin %r of %s " + text, self.name, self.source, *values, exc_info=cause)
