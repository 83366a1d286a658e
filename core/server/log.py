"""Logging of the server process: one line per event, on the error stream."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection
from types import TracebackType
from typing import Any, TextIO, TypeAlias

from cenote.config.server import ServerConfig
from cenote.server.text import shorten

__all__ = ["AccessLines", "ErrorStream", "OneLine", "log_config"]

#: Controls, line and paragraph separators, what turns the direction of text, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class OneLine(logging.Formatter):
    """Write an event so that nothing that a client sent can end its line, pose as another or steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, unsafe characters escaped."""
        return _escape(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:
        """Return the stack, indented: no line of an exception's message looks like an event."""
        return "\n".join("    " + _escape(line) for line in super().formatException(ei).splitlines())


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class AccessLines(logging.Filter):
    """Drop access-log lines of some paths, and shorten the others."""

    def __init__(self, paths: Collection[str], root_path: str = "") -> None:
        super().__init__()
        self._paths = frozenset(paths) | {root_path + path for path in paths}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep the line; uvicorn's third argument is the path with its query."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(shorten(value) if isinstance(value, str) else value for value in arguments)
        path = arguments[2] if len(arguments) > 2 else ""
        return str(path).partition("?")[0] not in self._paths


class ErrorStream(logging.StreamHandler[TextIO]):
    """Write to what the error stream is when an event comes: a program that embeds the server may have exchanged it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event."""
        self.stream = sys.stderr
        super().emit(record)


def log_config(config: ServerConfig) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`."""
    level = config.uvicorn_log_level.upper()
    logger = {"handlers": ["stderr"], "level": level, "propagate": False}
    access = {"()": AccessLines, "paths": config.disable_access_log_for_endpoints, "root_path": config.root_path}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": OneLine, "format": "%(asctime)s %(levelname)s %(message)s"}},
        "filters": {"access": access},
        "handlers": {"stderr": {"()": ErrorStream, "formatter": "line"}},
        "loggers": {
            "uvicorn": logger,
            "uvicorn.error": {"level": level},
            "uvicorn.access": {**logger, "filters": ["access"]},
            "cenote": logger,
        },
    }
