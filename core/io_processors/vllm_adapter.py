"""Runs classes written for vLLM: its constructor and hooks, called by ours."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, ClassVar

from cenote.errors import PluginError
from cenote.io_processors.base import IOProcessor
from cenote.io_processors.check import check_vllm_class, own_hook
from cenote.io_processors.context import ProcessorContext, RequestContext
from cenote.io_processors.host import HostContext
from cenote.io_processors.vllm import PoolingParams as VllmParams
from cenote.io_processors.vllm_facts import RendererView, VllmConfigView
from cenote.outputs import PoolingRequestOutput
from cenote.registry import Entry
from cenote.types import PoolingParams

__all__ = ["VLLM_GROUP", "AdaptedProcessor", "adapted", "class_of_entry"]

#: Each entry is a function that returns where a class is, as `package.module.Class`, or None.
VLLM_GROUP = "vllm.io_processor_plugins"


class AdaptedProcessor(IOProcessor[Any, Any]):
    """A processor around an object of a class for vLLM."""

    style: ClassVar[type]

    def __init__(self, context: ProcessorContext) -> None:
        """Make the object."""
        super().__init__(context)
        self._inner = _made(self.style, context)

    def parse_data(self, data: Any) -> Any:
        """Call its `parse_data`; a class without it takes data as it comes."""
        parse = getattr(self._inner, "parse_data", None)
        return data if parse is None else parse(data)

    def pre_process(self, prompt: Any, context: RequestContext) -> Any:
        """Call its `pre_process`."""
        return _with_id(self._inner.pre_process, context, prompt=prompt)

    def merge_pooling_params(self, params: PoolingParams, context: RequestContext) -> PoolingParams:
        """Call its `merge_pooling_params`: without an argument where it needs none and the caller has no wishes."""
        merge = getattr(self._inner, "merge_pooling_params", None)
        if merge is None:
            return params
        given = {item.name: getattr(params, item.name) for item in fields(params) if item.name != "task"}
        wishes = {name: value for name, value in given.items() if value is not None}
        return _ours(_merged(merge, VllmParams(task="plugin", **wishes), has_wishes=bool(wishes)), params)

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        """Call its `post_process`."""
        return _with_id(self._inner.post_process, context, model_output=list(outputs))

    def close(self) -> None:
        """Call its `close`, where it has one."""
        close = getattr(self._inner, "close", None)
        if callable(close):
            close()


async def _pre_process_async(self: AdaptedProcessor, prompt: Any, context: RequestContext) -> Any:
    return await _with_id(self._inner.pre_process_async, context, prompt=prompt)


async def _post_process_async(
    self: AdaptedProcessor, outputs: Sequence[PoolingRequestOutput], context: RequestContext
) -> Any:
    return await _with_id(self._inner.post_process_async, context, model_output=_pairs(outputs))


_ASYNC = {"pre_process_async": _pre_process_async, "post_process_async": _post_process_async}


def adapted(style: type) -> type[AdaptedProcessor]:
    """Return a class of ours around a class for vLLM; it has the async hooks that the class has itself.

    Raises:
        TypeError: it lacks a hook.
        ValueError: it has hooks by older names.
    """
    check_vllm_class(style)
    hooks = {name: hook for name, hook in _ASYNC.items() if own_hook(style, name)}
    return type(style.__name__, (AdaptedProcessor,), {"style": style, "__doc__": style.__doc__, **hooks})


def class_of_entry(entry: Entry, function: Any) -> type:
    """Return the class that the function of an entry for vLLM names.

    Raises:
        PluginError: the function fails, names nothing, or what it names cannot be imported.
    """
    try:
        path = function()
        if path is None:
            raise ValueError("it offers no class on this machine (its function returned None)")
        module, _, name = str(path).rpartition(".")
        style = getattr(import_module(module), name)
        if not isinstance(style, type):
            raise TypeError(f"{path} is no class")
    except (Exception, SystemExit) as exc:
        text = f"IO processor {entry.name!r} of {entry.source} cannot be used: {type(exc).__name__}: {exc}."
        raise PluginError(f"{text}{_advice(exc)}", plugin=entry.name, distribution=entry.distribution) from exc
    return style


def _advice(cause: BaseException) -> str:
    missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
    if (missing or "").partition(".")[0] != "vllm":
        return ""
    return (
        " It imports vllm: import IOProcessor, PoolingParams and PoolingRequestOutput from cenote.io_processors.vllm, "
        "and what only annotations name under `if TYPE_CHECKING:`."
    )


def _made(style: type, context: ProcessorContext) -> Any:
    """Call the constructor with as many of `vllm_config` and `renderer` as it takes."""
    facts = context if isinstance(context, HostContext) else HostContext(**_values(context))
    offered = {"vllm_config": VllmConfigView(facts), "renderer": RendererView(facts)}
    taken = inspect.signature(style).parameters.values()
    by_name = {
        item.name: offered[item.name] for item in taken if item.kind is item.KEYWORD_ONLY and item.name in offered
    }
    if any(item.kind is item.VAR_POSITIONAL for item in taken):
        return style(*offered.values(), **by_name)
    places = sum(item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD) for item in taken)
    return style(*list(offered.values())[:places], **by_name)


def _values(context: ProcessorContext) -> dict[str, Any]:
    return {item.name: getattr(context, item.name) for item in fields(context)}


def _with_id(hook: Callable[..., Any], context: RequestContext, **arguments: Any) -> Any:
    """Call a hook as vLLM does, with the id of the request where it takes one and there is one."""
    taken = inspect.signature(hook).parameters
    if context.request_id and ("request_id" in taken or any(item.kind is item.VAR_KEYWORD for item in taken.values())):
        arguments["request_id"] = context.request_id
    return hook(**arguments)


def _merged(merge: Callable[..., Any], params: VllmParams, *, has_wishes: bool) -> Any:
    """Call `merge_pooling_params` in the form that it is written in."""
    taken = list(inspect.signature(merge).parameters.values())
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needs = any(item.default is item.empty and item.kind not in many for item in taken)
    if not taken or not (has_wishes or needs):
        return merge()
    if taken[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        return merge(params=params)
    return merge(params)


def _ours(merged: Any, given: PoolingParams) -> PoolingParams:
    """Return parameters of vLLM's form as ours; what that form does not have is the caller's."""
    if isinstance(merged, PoolingParams):
        return merged
    values = {item.name: getattr(merged, item.name, None) for item in fields(PoolingParams)}
    own = ("lora", "prompt", "prompt_name", "pool_factor")
    kept = {name: getattr(given, name) for name in own if values[name] is None}
    return PoolingParams(**{**values, **kept})


async def _pairs(outputs: Sequence[PoolingRequestOutput]) -> AsyncIterator[tuple[int, PoolingRequestOutput]]:
    for pair in enumerate(outputs):
        yield pair
