"""The forms in which low-rank adapters may be named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["spell_lora_modules"]


def spell_lora_modules(value: Any) -> Any:
    """Spell low-rank adapters as `name=folder`; they may also come as mappings, or as JSON as in vLLM."""
    if isinstance(value, Mapping):
        return tuple(f"{name}={folder}" for name, folder in value.items())
    if value is None or not isinstance(value, Sequence):
        return () if value is None else value
    modules = tuple(_lora_module(item) for item in ([value] if isinstance(value, str) else value))
    names = [module.partition("=")[0] for module in modules]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"lora_modules names an adapter twice: {', '.join(names)}.", param="lora_modules")
    return modules


def _lora_module(item: Any) -> str:
    if isinstance(item, str) and item.lstrip().startswith("{"):
        try:
            item = json.loads(item)
        except json.JSONDecodeError as exc:
            raise InvalidRequest(f"lora_modules: {item!r} is not valid JSON: {exc}.", param="lora_modules") from exc
    if isinstance(item, Mapping):
        if not (item.get("name") and item.get("path")):
            text = f"lora_modules: {dict(item)!r} needs 'name' and 'path'."
            raise InvalidRequest(text, param="lora_modules")
        return f"{item['name']}={item['path']}"
    if not isinstance(item, str) or not all(item.partition("=")):
        raise InvalidRequest(f"lora_modules takes name=folder, not {item!r}.", param="lora_modules")
    return item
