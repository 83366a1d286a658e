"""The IO processors of a loaded model: made when it is loaded, found by name, closed with it."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cenote.config import EngineConfig
from cenote.engine.vocabulary import count_tokens, token_texts, tokenizer_of
from cenote.errors import InvalidRequest
from cenote.io_processors.host import HostContext
from cenote.io_processors.loaded import LoadedProcessor, close_processors, end_threads
from cenote.io_processors.select import FoundProcessor, find_processor, processor_names, start_processor
from cenote.media import MediaPolicy, load_media
from cenote.registry import plugin_settings
from cenote.types import ModelLimits, PoolingParams, Role, TokenizationOptions

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cenote.engine.loader import LoadedModel

__all__ = ["ProcessorFace", "find_named"]


class ProcessorFace:
    """What an engine's face knows of IO processors."""

    config: EngineConfig
    default_task: str
    model: str
    _loaded: LoadedModel
    _processors: dict[str, LoadedProcessor]
    _facts: dict[str, Any]
    _unclosed: list[LoadedProcessor]

    @property
    def io_processors(self) -> tuple[str, ...]:
        """Return the names of the IO processors that are loaded; requests that name none get the first."""
        return tuple(self._processors)

    def processor(self, name: str | None = None) -> LoadedProcessor:
        """Return a processor by name; None is the first.

        Raises:
            InvalidRequest: none is loaded, or none of this name.
        """
        loaded = self._processors
        if not loaded:
            text = (
                f"{self.model!r} runs without an IO processor, so that 'data' means nothing to it. Name one when the "
                "model is loaded: io_processor_plugin=NAME (--io-processor-plugin NAME)."
            )
            raise InvalidRequest(text, param="io_processor" if name is not None else "data")
        if name is None:
            return next(iter(loaded.values()))
        if not isinstance(name, str) or name not in loaded:
            text = f"There is no IO processor {name!r:.80} here. Loaded: {', '.join(loaded)}."
            raise InvalidRequest(text, param="io_processor")
        return loaded[name]

    def add_processor(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        """Load one more IO processor, after those that there are.

        Args:
            name: of an installed one.
            settings: what it is told.

        Raises:
            UnsupportedTask: the model has none of its tasks.
            InvalidRequest: it is loaded already, or the settings do not fit.
            PluginError: it is not installed, or broken.
        """
        if name in self._processors:
            raise InvalidRequest(f"The IO processor {name!r} is loaded already.", param="io_processor_plugin")
        made = self._make_processor(name, settings or {})
        self._processors[name] = made
        self._unclosed.append(made)

    def _load_processors(
        self, tasks: tuple[str, ...], labels: tuple[str, ...], limits: ModelLimits
    ) -> dict[str, LoadedProcessor]:
        """Make the processors that the options, or the checkpoint where that is allowed, ask for."""
        self._facts = {"limits": limits, "supported_tasks": tasks, "labels": labels}
        names = processor_names(self.config, self._loaded.settings)
        _check_settings(self.config.io_processor_settings, names)
        made: dict[str, LoadedProcessor] = {}
        try:
            for name in names:
                made[name] = self._make_processor(name, self.config.io_processor_settings.get(name, {}))
        except BaseException:
            close_processors(list(made.values()))
            raise
        self._unclosed = list(made.values())
        weakref.finalize(self, end_threads, self._unclosed)
        return made

    def _make_processor(self, name: str, settings: Mapping[str, Any]) -> LoadedProcessor:
        found = find_processor(name)
        context = HostContext(
            name=name,
            model=self.model,
            default_task=self.default_task,
            **self._facts,
            settings=_settings(found, {**plugin_settings(f"io_processors/{name}"), **settings}),
            token_texts=partial(token_texts, self._loaded.model),
            count_tokens=partial(count_tokens, self._loaded.model, role=found.kind.role),
            load_media=partial(load_media, policy=MediaPolicy.of(self.config)),
            log=logging.getLogger(f"cenote.io_processors.{name}"),
            config=self._loaded.settings,
            tokenizer=partial(tokenizer_of, self._loaded.model),
        )
        return start_processor(found, context)

    def _counter(
        self, who: LoadedProcessor, params: PoolingParams, role: Role | None, tokenization: TokenizationOptions
    ) -> Callable[[str], int]:
        """Return what counts the tokens of a text as a prompt of one request."""
        role = role or who.processor.role
        return partial(count_tokens, self._loaded.model, role=role, params=params, tokenization=tokenization)

    def _close_processors(self) -> None:
        """Close each processor, once."""
        processors = list(self._unclosed)
        self._unclosed.clear()
        close_processors(processors)


def find_named(config: EngineConfig) -> None:
    """Import the processors that the operator names, so that a wrong name is told before a model is loaded.

    Raises:
        PluginError: one is not installed, or broken.
    """
    for name in config.io_processor_plugin or ():
        find_processor(name)


def _check_settings(given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    unused = [name for name in given if name not in names]
    if unused:
        loaded = ", ".join(names) or "none"
        text = f"io_processor_settings is for {unused[0]!r}, which is not loaded. Loaded: {loaded}."
        raise InvalidRequest(text, param="io_processor_settings")


def _settings(found: FoundProcessor, given: Mapping[str, Any]) -> Any:
    """Return the operator's settings, as the processor's `Settings` where it has that.

    Raises:
        InvalidRequest: they do not fit.
    """
    model: type[BaseModel] | None = found.kind.Settings
    if model is None:
        return dict(given)
    from pydantic import ValidationError

    from cenote.io_processors.faults import complaints

    try:
        return model.model_validate(dict(given))
    except ValidationError as exc:
        text = f"Settings of the IO processor {found.entry.name!r}: {complaints(exc, found.entry.name)[0]}"
        raise InvalidRequest(text, param="io_processor_settings") from exc
