"""Flags that help does not list: single pooling settings, older spellings, and options of vLLM without effect here."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
import typer.core

from cenote.config.foreign import FOREIGN
from cenote.config.older_task import options_of_task, with_task
from cenote.config.pooler import PoolerConfig
from cenote.errors import InvalidRequest

__all__ = ["SpreadCommand", "engine_extras", "with_extras"]

_POOLER = "pooler_config__"
_LORA = "--lora-modules"
_NAMES = "--served-model-name"
_KEYS = "--api-key"
_HOSTS = "--allowed-media-domains"
#: Fields that PoolerConfig answers with more than that it does not know them.
_OLDER_SETTINGS = ("logit_bias", "normalize")


class SpreadCommand(typer.core.TyperCommand):
    """A command that takes several words after one of four flags, as `vllm serve` does.

    The flags are `--lora-modules`, `--served-model-name`, `--allowed-media-domains` and `--api-key`. A word after the
    names is one more name: a model must stand before them, or be named with `--model`. A word after a host or a key is
    one more of them only where that is so, since a model's name that counts as a key would open the server to everybody
    who knows it.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the flag in front of each adapter, name, host and key but the first."""
        spread: list[str] = []
        flags = {_NAMES, *(flag for flag in (_KEYS, _HOSTS) if self._has_model(args, flag))}
        for word in args:
            is_module = word.startswith("{") or ("=" in word and not word.startswith("-"))
            if is_module and len(spread) > 1 and spread[-2] == _LORA:
                spread.append(_LORA)
            if len(spread) > 1 and spread[-2] in flags and not word.startswith("-"):
                spread.append(spread[-2])
            spread.append(word)
        return super().parse_args(ctx, spread)

    def _has_model(self, args: list[str], flag: str) -> bool:
        """Return whether a model is named by `--model`, or by a word that stands before the first use of a flag."""
        before = args[: args.index(flag)] if flag in args else args
        takes_value = {name for item in self.params if not getattr(item, "is_flag", True) for name in item.opts}
        words = [word for last, word in zip(["", *before], before, strict=False) if last not in takes_value]
        return not {"--model", "-m"}.isdisjoint(args) or any(not word.startswith("-") for word in words)


def engine_extras() -> list[inspect.Parameter]:
    """Return the parameters that these flags fill, each a text or None."""
    settings = (*PoolerConfig.model_fields, *_OLDER_SETTINGS)
    found = [_parameter(_POOLER + name, *_spellings("--pooler-config.", name)) for name in settings]
    for name, option in FOREIGN.items():
        flag = "--" + name.replace("_", "-")
        found.append(
            _parameter(name, f"{flag}/--no-{flag[2:]}", kind=bool) if option.is_switch else _parameter(name, flag)
        )
    return [*found, _parameter("task", "--task")]


def with_extras(options: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Add what these flags say to the options of an engine.

    Args:
        options: the engine's options so far, `pooler_config` as a mapping.
        given: all parameters of the command.

    Raises:
        InvalidRequest: a pooling setting is given twice, or a task means nothing any more.
    """
    merged = dict(options)
    settings = {name[len(_POOLER) :]: _value(text) for name, text in given.items() if name.startswith(_POOLER) and text}
    twice = settings.keys() & merged.get("pooler_config", {}).keys()
    if twice:
        name = min(twice)
        text = f"{name} is given in --pooler-config and as --pooler-config.{name}; give it once."
        raise InvalidRequest(text, param="pooler_config")
    if settings:
        merged["pooler_config"] = {**merged.get("pooler_config", {}), **settings}
    for name in FOREIGN:
        if given.get(name) is not None:
            merged[name] = _value(given[name])
    task = given.get("task")
    if task is None:
        return merged
    meant, advice = options_of_task(task)
    typer.secho(f"Warning: {advice}", fg="yellow", err=True)
    return with_task(merged, task, meant)


def _spellings(prefix: str, name: str) -> list[str]:
    return list(dict.fromkeys((prefix + name, prefix + name.replace("_", "-"))))


def _parameter(name: str, *flags: str, kind: Any = str) -> inspect.Parameter:
    annotation = Annotated[kind | None, typer.Option(*flags, hidden=True)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _value(text: Any) -> Any:
    """Read a number, a list, true, false or null; everything else is a text."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return text
