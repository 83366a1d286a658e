"""IO processors of a server with several models: each model gets those that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cenote.config.io_processors import spell_io_processors
from cenote.errors import InvalidRequest, UnsupportedTask

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["ServedProcessors"]


class ServedProcessors:
    """The processors that an operator names for all models."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Import what is named, so that a wrong name is told before a model is loaded.

        Args:
            options: of the engines.

        Raises:
            PluginError: a processor is not installed, or broken.
            InvalidRequest: one is named twice, or settings are for one that is not named.
        """
        from cenote.io_processors.select import find_processor

        self._names: Sequence[str] = spell_io_processors(options.get("io_processor_plugin") or ())
        self._settings: Mapping[str, Any] = options.get("io_processor_settings") or {}
        for name in self._names:
            find_processor(name)
        if unused := [name for name in self._settings if name not in self._names]:
            text = f"io_processor_settings is for {unused[0]!r}, which --io-processor-plugin does not name."
            raise InvalidRequest(text, param="io_processor_settings")

    def left(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options without those of processors, which a model would have to fit all."""
        named = ("io_processor_plugin", "io_processor_settings")
        return {name: value for name, value in options.items() if not (self._names and name in named)}

    def add_to(self, engines: Sequence[AsyncLLM]) -> None:
        """Give each model the processors that fit it, in the order in which they were named.

        Raises:
            UnsupportedTask: one fits no model.
        """
        for name in self._names:
            reasons = [reason for engine in engines if (reason := self._add(engine, name)) is not None]
            if len(reasons) == len(engines):
                text = f"The IO processor {name!r} fits none of the models. {' '.join(reasons)}"
                raise UnsupportedTask(text, param="io_processor_plugin")

    def _add(self, engine: AsyncLLM, name: str) -> str | None:
        """Add a processor, or say why it does not fit."""
        try:
            engine.add_processor(name, self._settings.get(name))
        except UnsupportedTask as exc:
            return str(exc)
        return None
