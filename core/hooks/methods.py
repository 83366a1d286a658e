"""Which hooks a plugin has: its marked functions, checked against the hooks that there are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

import pluggy

from cenote.hooks.spec import HOOKS, PROJECT

__all__ = ["HookMethod", "check_hooks", "hook_methods", "hook_names"]


@dataclass(frozen=True, slots=True)
class HookMethod:
    """One hook of a plugin.

    Attributes:
        attribute: name of the function in the plugin.
        arguments: those of the hook's arguments that it takes.
        order: -1 for `tryfirst`, 1 for `trylast`.
    """

    attribute: str
    arguments: tuple[str, ...]
    order: int = 0


def hook_names() -> tuple[str, ...]:
    """Return the names of all hooks, sorted."""
    return tuple(sorted(_arguments()))


def check_hooks(plugin: Any) -> None:
    """Raise TypeError or ValueError unless the module or object has hooks, all of them ones that can be called."""
    hook_methods(plugin)


def hook_methods(plugin: Any) -> Mapping[str, HookMethod]:
    """Return the hooks of a module or an object by name.

    Raises:
        TypeError: a hook wants arguments that there are not, or is a coroutine function.
        ValueError: a hook is unknown, not marked or a wrapper, or there is none at all.
    """
    found = {}
    for attribute in dir(plugin):
        options = _manager().parse_hookimpl_opts(plugin, attribute)
        if options is None:
            _check_unmarked(plugin, attribute)
            continue
        hook = options.get("specname") or attribute
        if hook not in _arguments():
            if options.get("optionalhook"):
                continue
            raise ValueError(f"unknown hook {hook!r}{_near(hook)}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise ValueError(f"{attribute} is a wrapper, but hooks of cenote are called one by one: nothing is wrapped")
        order = -1 if options.get("tryfirst") else 1 if options.get("trylast") else 0
        found[hook] = HookMethod(attribute, _taken(hook, attribute, getattr(plugin, attribute)), order)
    if not found:
        raise ValueError("it has no hooks: mark functions with cenote.hooks.hookimpl")
    return found


def _check_unmarked(plugin: Any, attribute: str) -> None:
    if attribute in _arguments() and inspect.isroutine(getattr(plugin, attribute)):
        raise ValueError(f"{attribute} is not marked: write @hookimpl above it (from cenote.hooks import hookimpl)")


def _taken(hook: str, attribute: str, function: Any) -> tuple[str, ...]:
    """Return the arguments of a hook that a function takes, by name."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{attribute} is asynchronous, but hooks are called without an event loop: write a plain 'def'")
    offered = _arguments()[hook]
    for parameter in inspect.signature(function).parameters.values():
        is_required = parameter.default is parameter.empty and parameter.kind not in _OPEN
        if is_required and (parameter.name not in offered or parameter.kind is parameter.POSITIONAL_ONLY):
            text = (
                f"{attribute} wants {parameter.name!r}; the hook offers {', '.join(offered) or 'no arguments'}, by name"
            )
            raise TypeError(text)
    taken = inspect.signature(function).parameters
    return tuple(name for name in offered if name in taken)


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@cache
def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HOOKS)
    return manager


@cache
def _arguments() -> Mapping[str, tuple[str, ...]]:
    """Return the arguments of each hook."""
    specs = {name: hook.spec for name, hook in vars(_manager().hook).items()}
    return {name: tuple(spec.argnames) for name, spec in specs.items() if spec is not None}


def _near(hook: str) -> str:
    near = get_close_matches(hook, _arguments(), n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(hook_names())}"
