"""Importing the object that a dotted target names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["load_object", "load_target"]


def load_object(target: str) -> Any:
    """Import `package.module:attribute` and return the attribute; it may be dotted.

    Raises:
        ValueError: the target has another form.
        ImportError: the module cannot be imported, or has no such attribute.
    """
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"{target!r} is not of the form 'package.module:attribute'.")
    value: Any = import_module(module_name)
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError as exc:
            raise ImportError(f"module {module_name!r} has no attribute {attribute!r}", name=module_name) from exc
    return value


def load_target(target: str) -> Any:
    """Import `package.module`, or `package.module:attribute` as `load_object` does.

    Raises:
        ValueError: the target has another form.
        ImportError: the module cannot be imported, or has no such attribute.
    """
    return load_object(target) if ":" in target else import_module(target)
