"""Whether a class can be used as a processor, told without making one of it."""

from __future__ import annotations

import inspect
from typing import Any

from cenote.io_processors.base import IO_PROCESSOR_API, IOProcessor
from cenote.io_processors.vllm import IOProcessor as VllmStyle

__all__ = ["check_processor", "check_vllm_class", "own_hook"]

#: Hooks by the names that they had in vLLM, what each is called now, and the hook that a class has which knows that.
#: Source: vLLM 0.11 to 0.32.
_OLDER = {
    "parse_request": ("parse_data", "parse_data"),
    "validate_or_generate_params": ("merge_pooling_params", "merge_pooling_params"),
    "output_to_response": ("post_process, whose result is the answer", "parse_data"),
}
_MODELS = ("Request", "Response", "Settings")


def check_processor(value: Any) -> None:
    """Check that something can be used as an IO processor.

    Raises:
        TypeError: it is no class of processors, or lacks a hook.
        ValueError: it is made for another version of the interface, or has hooks by older names.
    """
    if not isinstance(value, type):
        raise TypeError(f"An IO processor is a class; {value!r:.80} is none. Name the class itself.")
    if issubclass(value, VllmStyle):
        check_vllm_class(value)
        return
    if not issubclass(value, IOProcessor):
        raise TypeError(
            f"{value.__name__} must be a subclass of cenote.io_processors.IOProcessor. A class that was written for "
            "vLLM inherits from cenote.io_processors.vllm.IOProcessor, or is named in vllm.io_processor_plugins."
        )
    _check_older_hooks(value)
    if value.api_version != IO_PROCESSOR_API:
        text = f"{value.__name__} is made for version {value.api_version!r:.20} of the interface of IO processors"
        raise ValueError(f"{text}; this is version {IO_PROCESSOR_API}.")
    _check_hooks(value)
    _check_attributes(value)


def check_vllm_class(value: type) -> None:
    """Check that a class has the hooks of vLLM.

    Raises:
        TypeError: it lacks one.
        ValueError: it has hooks by older names.
    """
    _check_older_hooks(value)
    _check_hooks(value)


def own_hook(value: type, name: str) -> Any:
    """Return a class's hook, or None where it has none or only the one of an interface (ours, or vLLM's)."""
    definer = next((kind for kind in value.__mro__ if name in vars(kind)), None)
    if definer in (None, IOProcessor, VllmStyle) or definer.__module__.partition(".")[0] == "vllm":
        return None
    return getattr(value, name)


def _check_older_hooks(value: type) -> None:
    older = [name for name, (_, newer) in _OLDER.items() if own_hook(value, name) and not own_hook(value, newer)]
    if older:
        now = "; ".join(f"{name} is now {_OLDER[name][0]}" for name in older)
        raise ValueError(f"{value.__name__} has hooks by older names, which nothing calls: {now}.")


def _check_hooks(value: type) -> None:
    for hook in ("pre_process", "post_process"):
        if not (own_hook(value, hook) or own_hook(value, f"{hook}_async")):
            raise TypeError(f"{value.__name__} has neither {hook} nor {hook}_async.")
        if inspect.iscoroutinefunction(getattr(value, hook, None)):
            raise TypeError(f"{value.__name__}.{hook} is async, so that nobody awaits it; call it {hook}_async.")
    if inspect.iscoroutinefunction(getattr(value, "parse_data", None)):
        advice = "do what must be awaited in pre_process_async"
        raise TypeError(f"{value.__name__}.parse_data is async, so that nobody awaits it; {advice}.")


def _check_attributes(value: type[IOProcessor[Any, Any]]) -> None:
    from pydantic import BaseModel

    for name in _MODELS:
        model = getattr(value, name)
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{value.__name__}.{name} must be a model of pydantic or None, not {model!r:.80}.")
    if isinstance(value.tasks, str) or not all(isinstance(task, str) for task in value.tasks):
        raise TypeError(f"{value.__name__}.tasks must be a tuple of names, not {value.tasks!r:.80}.")
    if value.role not in (None, "query", "document"):
        raise ValueError(f"{value.__name__}.role must be 'query', 'document' or None, not {value.role!r:.80}.")
