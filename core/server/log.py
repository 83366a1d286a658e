"""Logging of the server process: one line per event, on the error stream."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from cenote.config.server import ServerConfig
from cenote.server.text import shorten

__all__ = ["AccessLines", "log_config"]


class AccessLines(logging.Filter):
    """Drop access-log lines of some paths, and shorten the others."""

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__()
        self._paths = frozenset(paths)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep the line; uvicorn's third argument is the path with its query."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(shorten(value) if isinstance(value, str) else value for value in arguments)
        path = arguments[2] if len(arguments) > 2 else ""
        return str(path).partition("?")[0] not in self._paths


def log_config(config: ServerConfig) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`."""
    level = config.uvicorn_log_level.upper()
    logger = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
        "filters": {"access": {"()": AccessLines, "paths": config.disable_access_log_for_endpoints}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {
            "uvicorn": logger,
            "uvicorn.error": {"level": level},
            "uvicorn.access": {**logger, "filters": ["access"]},
            "cenote": logger,
        },
    }
