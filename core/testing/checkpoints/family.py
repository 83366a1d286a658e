"""What makes up a family of look-alike checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["Family", "keep"]


def keep(name: str) -> str:
    """Return a tensor's name unchanged."""
    return name


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of checkpoint.

    Attributes:
        name: how tests call it.
        model_class: the transformers class of the backbone.
        architecture: the entry of `architectures` in the published `config.json`.
        tokenizer: builds the tokenizer's files.
        config: from tokenizer to the published keys of `config.json`, without `architectures`.
        native: from the published keys to those of transformers' own config class.
        rename: from a tensor's name as transformers saves it to its published name.
        pooling: the pooling of published models, in the words of sentence-transformers.
        dense: output sizes of the Dense modules between pooling and normalisation.
        prompts: stored prompts by name.
        native_layout: transformers and sentence-transformers load the folder without the checkpoint's own code.
        ntk_factor: scale of the fixed NTK rotary frequencies of Alibaba's code, which transformers lacks.
        gain: standard deviation of the linear layers' weights, times the square root of their inputs.
        embedding_std: standard deviation of the embedding tables.
        extra_tensors: published tensors that no backbone reads, by name, with shape.
    """

    name: str
    model_class: str
    architecture: str
    tokenizer: Callable[[], TinyTokenizer]
    config: Callable[[TinyTokenizer], dict[str, Any]]
    native: Callable[[dict[str, Any]], dict[str, Any]] = dict
    rename: Callable[[str], str] = keep
    pooling: str = "mean"
    dense: tuple[int, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    native_layout: bool = True
    ntk_factor: float | None = None
    gain: float = 1.2
    embedding_std: float = 1.0
    extra_tensors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
