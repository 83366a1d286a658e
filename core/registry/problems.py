"""The errors that several parts of the registry raise, worded once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cenote.errors import PluginConflict, PluginError
from cenote.registry.entry import ARCHITECTURES, Entry

__all__ = ["broken", "cause_of", "conflict", "is_ctrl_c"]


def conflict(what: str, offers: Sequence[Entry], advice: str) -> PluginConflict:
    """Build the error for something that several plugins offer with the same right.

    Args:
        what: the thing, as the sentence names it.
        offers: who offers it, at least two.
        advice: what to do, with `{}` where one of the distributions goes.
    """
    entries = sorted(offers, key=lambda entry: (entry.distribution, entry.version))
    sources = list(dict.fromkeys(entry.source for entry in entries))
    if len(sources) == 1 and entries[0].group != ARCHITECTURES:  # of specs, one may well offer several
        text = f"{sources[0]} offers {what} {len(entries)} times. Take all but one of its entry points out."
        return PluginConflict(text, plugin=entries[0].name, distribution=entries[0].distribution)
    subject = "Two installed distributions offer" if len(sources) == 2 else "Several installed plugins offer"
    text = f"{subject} {what}: {' and '.join(sources)}. {advice.format(entries[0].distribution)}."
    return PluginConflict(text, plugin=entries[0].name, distribution=entries[0].distribution)


def is_ctrl_c(error: BaseException) -> bool:
    """Tell whether the user interrupts the process, which Python tells the main thread alone.

    Whatever else comes out of a plugin's code, `SystemExit` included, is an error of that plugin.
    """
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def broken(entry: Entry, cause: BaseException) -> PluginError:
    """Build the error for a plugin whose import or check raised `cause`."""
    text = f"Plugin {entry.name!r} ({entry.group}) of {entry.source} is broken: {cause_of(entry, cause)}"
    return PluginError(text, plugin=entry.name, distribution=entry.distribution)


def cause_of(entry: Entry, cause: BaseException) -> str:
    """Return what was raised, and of a missing module also what to install, as whole sentences."""
    text = f"{type(cause).__name__}: {cause}".rstrip(".: ")
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        text += f". Install what offers the module {cause.name!r}, or reinstall {entry.distribution}"
    return f"{text}."
