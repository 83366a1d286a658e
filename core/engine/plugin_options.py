"""Defaults of options that plugins give by the hook `cenote_engine_options`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cenote.config import EngineConfig
from cenote.config.problems import near_names
from cenote.errors import InvalidRequest
from cenote.hooks.caller import HookCaller

__all__ = ["configured"]

_log = logging.getLogger(__name__)

#: What no plugin chooses, and what none is told.
_OWN = ("model", "hf_token")


def configured(hooks: HookCaller, given: Mapping[str, Any]) -> tuple[EngineConfig, dict[str, str]]:
    """Return the options of an engine, and which of them plugins gave: option to plugin.

    Args:
        hooks: whom to ask.
        given: what the user gave; it stays.

    Raises:
        InvalidRequest: an option of the user's is unknown or has a wrong value, or a plugin says that the operator's
            own settings of it are wrong.
    """
    shown = MappingProxyType({name: value for name, value in given.items() if name != "hf_token"})
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for listener, offer in hooks.ask("cenote_engine_options", may_refuse=True, options=shown):
        plugin = f"plugin {listener.name!r} of {listener.source}"
        if not isinstance(offer, Mapping):
            listener.note("cenote_engine_options", TypeError(f"it returned {type(offer).__name__}, not a mapping"))
            continue
        for name, value in offer.items():
            if name not in given and name not in values and _fits(name, value, plugin):
                values[name], sources[name] = value, plugin
    if values:
        return _together(given, values, sources)
    return EngineConfig.from_options(**given), {}


def _fits(name: object, value: Any, plugin: str) -> bool:
    """Tell whether this can be an option, and warn where it cannot."""
    if not isinstance(name, str) or name not in EngineConfig.model_fields or name in _OWN:
        near = near_names(str(name), [field for field in EngineConfig.model_fields if field not in _OWN])
        _log.warning("%s gives the engine option %r, which there is not; it is ignored.%s", plugin, name, near)
        return False
    try:
        EngineConfig.from_options(**{name: value})
    except InvalidRequest as exc:
        _log.warning("%s gives an engine option that does not fit; it is ignored. %s", plugin, exc)
        return False
    return True


def _together(
    given: Mapping[str, Any], values: Mapping[str, Any], sources: dict[str, str]
) -> tuple[EngineConfig, dict[str, str]]:
    """Return the options with those of plugins, or without them where the two contradict each other."""
    try:
        config = EngineConfig.from_options(**given, **values)
    except InvalidRequest as exc:
        config = EngineConfig.from_options(**given)  # raises where the user's own are wrong
        _log.warning("options of %s contradict the others and are ignored: %s", " and ".join(sources.values()), exc)
        return config, {}
    for name, plugin in sources.items():
        _log.info("option %s is %r by %s", name, values[name], plugin)
    return config, sources
