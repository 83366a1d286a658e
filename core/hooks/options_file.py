"""Built-in hooks: defaults of engine options from a TOML file that CENOTE_ENGINE_OPTIONS_FILE names."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from cenote.errors import InvalidRequest
from cenote.hooks.spec import hookimpl

__all__ = ["VARIABLE", "cenote_engine_options"]

VARIABLE = "CENOTE_ENGINE_OPTIONS_FILE"


@hookimpl
def cenote_engine_options() -> dict[str, Any] | None:
    """Return what the file says, such as `max_num_seqs = 64`; None where no file is named.

    Raises:
        InvalidRequest: the file cannot be read, or is no TOML.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise InvalidRequest(f"{VARIABLE} names {path!r}, which cannot be read: {exc.strerror}.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{VARIABLE} names {path!r}, which is no TOML: {exc}.") from exc
