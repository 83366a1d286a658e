"""The options of `EngineConfig` as flags of every command that loads a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cenote.cli.engine_extras import engine_extras, with_extras
from cenote.cli.imports import spared_output
from cenote.cli.options import given_options, with_flags
from cenote.config.engine import EngineConfig
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["engine_flags", "engine_options", "load_llm"]

F = TypeVar("F", bound=Callable[..., Any])

_JSON_OPTIONS = ("pooler_config", "hf_overrides", "io_processor_settings", "mm_processor_kwargs")
#: Fields that mean something to a server only, or that commands have an argument for.
_NOT_FLAGS = ("model", "served_model_name", "max_num_queued_reqs", "max_num_queued_tokens")


def engine_flags(function: F) -> F:
    """Replace a function's `**options` by the flags of everything that may be said of a model and its engine."""
    return with_flags(EngineConfig, skip=_NOT_FLAGS, extra=engine_extras())(function)


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's options among those given, JSON parsed.

    Raises:
        InvalidRequest: an option that takes a JSON object has something else.
    """
    given = given_options(EngineConfig, options)
    for name in _JSON_OPTIONS:
        if name in given:
            given[name] = _json_object(given[name], "--" + name.replace("_", "-"))
    return with_extras(given, options)


def load_llm(model: str | None, options: dict[str, Any]) -> LLM:
    """Load a model for one call.

    Args:
        model: folder or hub id; None is the demonstration model.
        options: as `engine_options` gives them.
    """
    EngineConfig.from_options(model=model, **options)  # complain before the slow part

    from cenote import LLM

    with spared_output():  # plugins' modules are imported, which may print
        return LLM(model, **options)


def _json_object(text: str, flag: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidRequest(f"{flag} is not valid JSON: {exc}. Given: {text!r}", param=flag) from exc
    if not isinstance(value, dict):
        raise InvalidRequest(f"{flag} must be a JSON object, not {text!r}.", param=flag)
    return value
