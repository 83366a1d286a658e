"""Torch-free descriptions that entry points name: what a plugin offers, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["API_VERSION", "ArchitectureSpec", "CheckpointFacts", "ConvertRule"]

#: Version of the adapter interface that this core offers. A spec made for another one is refused before import.
API_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec:
    """What an adapter can load. An architecture string is not unique; `markers` tell candidates apart.

    Attributes:
        name: how users call this adapter, as in `--adapter NAME`.
        architectures: strings of `config.json`'s `architectures`, or `model_type:<x>`.
        adapter: where the code is, as `package.module:Class`.
        tasks: tasks that a loaded model can do.
        modalities: kinds of input.
        markers: facts that must all hold of the checkpoint: `file:NAME`, `config:dotted.key=value`,
            `settings:dotted.key=value` (of `config_sentence_transformers.json`), `tensor:NAME`,
            `module:GLOB` (dotted class of an entry of `modules.json`), `name:GLOB` (last part of the model's name);
            `A|B` holds where one of them does, and counts as one.
        api_version: version of the adapter interface that the code was written for.
        summary: one line for listings.
        examples: hub ids that load with this adapter.
        config_repair: `package.module:function` from a raw config mapping to one that transformers understands.
        lookalike: `package.module:function` that writes a tiny checkpoint of this architecture into the folder that
            it is given and returns it; `cenote plugins check` runs the conformance tests on it.
    """

    name: str
    architectures: tuple[str, ...]
    adapter: str
    tasks: tuple[str, ...]
    modalities: tuple[str, ...] = ("text",)
    markers: tuple[str, ...] = ()
    api_version: int = API_VERSION
    summary: str = ""
    examples: tuple[str, ...] = ()
    config_repair: str | None = None
    lookalike: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRule:
    """How an architecture that no spec names becomes a pooling model.

    Attributes:
        suffix: end of the architecture string.
        runner: what such a class is by default: `generate` or `pooling`.
        convert: what it is turned into by default: `none`, `embed` or `classify`.
        order: rules are tried in ascending order; the built-in table uses 10, 20, 30 …
        classifier: which generic spec makes a classifier of it, as in `convert:classify:<classifier>`; empty is `lm`
            for a runner that generates, else `sequence`.
    """

    suffix: str
    runner: str
    convert: str
    order: int = 1000
    classifier: str = ""


class CheckpointFacts(Protocol):
    """The questions that markers ask of a checkpoint."""

    @property
    def name(self) -> str:
        """The model as the user named it: a hub id or a folder."""
        ...

    def has_file(self, name: str) -> bool:
        """Tell whether the checkpoint has a file of this relative name."""
        ...

    def config_value(self, key: str) -> Any:
        """Return the value under a dotted key of `config.json`, or None."""
        ...

    def has_tensor(self, name: str) -> bool:
        """Tell whether a weight of this exact name is stored."""
        ...

    def module_types(self) -> tuple[str, ...]:
        """Return the dotted class names of `modules.json`, in order; empty without that file."""
        ...

    def settings_value(self, key: str) -> Any:
        """Return the value under a dotted key of `config_sentence_transformers.json`, or None."""
        ...
