"""Turn the fields of option models into command-line flags, so that no option is written down twice."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer

from cenote.config.sizes import Size

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["given_options", "with_flags"]

F = TypeVar("F", bound=Callable[..., Any])

_PANELS = {"EngineConfig": "Model and engine", "ServerConfig": "Server"}
_ENTRY = re.compile(r"^ {4,8}(\w+): (.+?)(?=^ {4,8}\w+: |^\s*$|\Z)", re.MULTILINE | re.DOTALL)


def with_flags(
    *models: type[BaseModel],
    skip: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    extra: Collection[inspect.Parameter] = (),
) -> Callable[[F], F]:
    """Replace a function's `**options` by one flag for each field of some option models.

    A flag that is not given arrives as None, so that the environment and the models' defaults still count.

    Args:
        models: option models; their docstrings' `Attributes` section is the help.
        skip: fields without a flag.
        names: flags of fields that are not simply `--field-name`.
        extra: further parameters with flags of their own, except those that the function itself has.
    """

    def decorate(function: F) -> F:
        own = inspect.signature(function, eval_str=True).parameters.values()
        kept = [item for item in own if item.kind is not inspect.Parameter.VAR_KEYWORD]
        flags = [
            _flag(model, field, (names or {}).get(field))
            for model in models
            for field in model.model_fields
            if field not in skip
        ]
        taken = {item.name for item in (*kept, *flags)}
        flags += [item for item in extra if item.name not in taken]
        function.__signature__ = inspect.Signature([*kept, *flags])  # type: ignore[attr-defined]
        return function

    return decorate


def given_options(model: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that belong to a model and were given."""
    return {name: options[name] for name in model.model_fields if options.get(name) not in (None, [])}


def _flag(model: type[BaseModel], name: str, flag: str | None) -> inspect.Parameter:
    field = model.model_fields[name]
    kind, metavar = _command_line_type(Annotated[field.annotation, *field.metadata, None])
    flag = flag or "--" + name.replace("_", "-")
    declarations = [f"{flag}/--no-{flag.removeprefix('--')}"] if kind is bool else [flag]
    panel = _PANELS.get(model.__name__, model.__name__)
    option = typer.Option(*declarations, help=_help(model, name), metavar=metavar, rich_help_panel=panel)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _command_line_type(annotation: Any) -> tuple[Any, str | None]:
    """Return the type that the command line parses, and what its help shows; the model checks the rest."""
    if get_origin(annotation) is Annotated:
        if get_args(Size)[1] in get_args(annotation)[1:]:
            return str, "INTEGER[k|m|g]"
        return _command_line_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [item for item in get_args(annotation) if item is not type(None)]
        if any(get_origin(item) is list for item in members):
            return list[str], None
        if any(get_origin(item) is dict for item in members):
            return str, "JSON"
        return _command_line_type(members[0])
    if get_origin(annotation) is Literal:
        return str, "|".join(str(item) for item in get_args(annotation))
    if get_origin(annotation) is tuple:
        return list[str], None
    if annotation in (bool, int, float, str):
        return annotation, None
    return str, "JSON"


def _help(model: type[BaseModel], name: str) -> str:
    section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:")[2]
    found = {entry[1]: " ".join(entry[2].split()) for entry in _ENTRY.finditer(section)}
    text = found.get(name, "").replace("`", "")
    text = text[:1].upper() + text[1:]
    if isinstance(model.model_fields[name].annotation, type) and hasattr(
        model.model_fields[name].annotation, "model_fields"
    ):
        text += f" Single fields also as --{name.replace('_', '-')}.FIELD VALUE."
    default = model.model_fields[name].default
    shown = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return f"{text} \\[default: {default}]" if shown else text
