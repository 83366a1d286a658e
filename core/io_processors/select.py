"""Which processors a model gets: those that the operator names, and the checkpoint's only where that is allowed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenote.config import EngineConfig
from cenote.errors import CheckpointError, PluginError, ProcessorError, UnknownPlugin, UnsupportedTask
from cenote.io_processors.base import IOProcessor
from cenote.io_processors.check import check_processor, check_vllm_class
from cenote.io_processors.context import ProcessorContext
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.vllm_adapter import VLLM_GROUP, adapted, class_of_entry
from cenote.registry import Entry, Registry, default_registry
from cenote.registry.known_plugins import KNOWN_PROCESSORS
from cenote.registry.names import nearest

__all__ = ["GROUP", "FoundProcessor", "check_processor", "find_processor", "processor_names", "start_processor"]

_log = logging.getLogger(__name__)

GROUP = "cenote.io_processors"
_KEY = "io_processor_plugin"


@dataclass(frozen=True, slots=True)
class FoundProcessor:
    """An installed processor.

    Attributes:
        entry: who offers it.
        kind: its class.
    """

    entry: Entry
    kind: type[IOProcessor[Any, Any]]


def processor_names(config: EngineConfig, checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the processors that a model gets; the first is for requests that name none.

    Args:
        config: the operator's options.
        checkpoint: the model's config.json.

    Raises:
        CheckpointError: config.json may choose, and what it says there are no names.
    """
    asked = checkpoint.get(_KEY)
    if config.io_processor_plugin is not None or not asked:
        return config.io_processor_plugin or ()
    names = [asked] if isinstance(asked, str) else asked
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        if not config.io_processor_from_config:
            return ()
        raise CheckpointError(f"config.json has {_KEY}={asked!r:.80}; it must be a name, or a list of names.")
    if config.io_processor_from_config:
        return tuple(dict.fromkeys(names))
    _log.warning(
        "config.json asks for the IO processor %s, which is not loaded: a checkpoint chooses no code by itself. Allow "
        "it with io_processor_from_config=True (--io-processor-from-config), or name it with io_processor_plugin "
        "(--io-processor-plugin).",
        " and ".join(map(repr, names)),
    )
    return ()


def find_processor(name: str, registry: Registry | None = None) -> FoundProcessor:
    """Return the installed processor of this name, its class imported.

    Raises:
        UnknownPlugin: nothing installed and enabled has the name.
        PluginConflict: two distributions offer it.
        PluginError: it cannot be imported, or its class cannot be used.
    """
    registry = registry or default_registry()
    for group in (GROUP, VLLM_GROUP):
        if name in registry.entries(group):
            offered = registry.get(group, name)  # raises where several offer the name, or it is broken
            (entry,) = registry.entries(group)[name]
            return FoundProcessor(entry, _class(entry, offered))
    raise _unknown(name, registry)


def _class(entry: Entry, offered: Any) -> type[IOProcessor[Any, Any]]:
    if entry.group == GROUP:
        kind: type = offered
        return kind if issubclass(kind, IOProcessor) else adapted(kind)
    style = class_of_entry(entry, offered)
    try:
        (check_processor if issubclass(style, IOProcessor) else check_vllm_class)(style)
    except (TypeError, ValueError) as exc:
        text = f"IO processor {entry.name!r} of {entry.source} cannot be used: {exc}"
        raise PluginError(text, plugin=entry.name, distribution=entry.distribution) from exc
    return style if issubclass(style, IOProcessor) else adapted(style)


def _unknown(name: str, registry: Registry) -> PluginError:
    for rejection in (*registry.rejections(GROUP, name), *registry.rejections(VLLM_GROUP, name)):
        return rejection.error()
    installed = nearest(name, (*registry.entries(GROUP), *registry.entries(VLLM_GROUP)))
    command = f": pip install {KNOWN_PROCESSORS[name]}" if name in KNOWN_PROCESSORS else " that offers it"
    text = f"No IO processor {name!r} is installed. Installed: {installed}. Install the distribution{command}."
    return UnknownPlugin(text, plugin=name)


def start_processor(found: FoundProcessor, context: ProcessorContext) -> LoadedProcessor:
    """Make the processor of a model.

    Raises:
        ProcessorError: its constructor, or its `choose_task`, failed.
        UnsupportedTask: the model has none of its tasks; the text says which ones it needs.
    """
    entry = found.entry
    try:
        processor = found.kind(context)
        if getattr(processor, "context", None) is not context:  # a constructor that does not call the inherited one
            processor.context = context
    except (Exception, SystemExit) as exc:
        text = f"IO processor {entry.name!r} of {entry.source} could not be made: {type(exc).__name__}: {exc}"
        raise ProcessorError(text, plugin=entry.name, distribution=entry.distribution) from exc
    try:
        processor.choose_task()
    except UnsupportedTask as exc:
        exc.param = _KEY
        if repr(entry.name) not in str(exc):  # of a class with a choose_task of its own
            exc.args = (f"IO processor {entry.name!r} of {entry.source}: {exc}",)
        raise
    except (Exception, SystemExit) as exc:
        text = f"IO processor {entry.name!r} of {entry.source} failed in choose_task: {type(exc).__name__}: {exc}"
        raise ProcessorError(text, plugin=entry.name, distribution=entry.distribution) from exc
    return LoadedProcessor(name=entry.name, distribution=entry.distribution, version=entry.version, processor=processor)
