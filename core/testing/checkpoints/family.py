"""What makes up a family of look-alike checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.testing.checkpoints.tokenizer import TinyTokenizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Family", "Tensors"]

#: A checkpoint's tensors by published name.
Tensors: TypeAlias = "Mapping[str, Tensor]"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of checkpoint.

    Attributes:
        name: how tests call it.
        model_class: the transformers class, with its head where it has one.
        architecture: the entry of `architectures` in the published `config.json`.
        tokenizer: builds the tokenizer's files.
        config: from tokenizer to the published keys of `config.json`, without `architectures`.
        native: from the published keys to those of transformers' own config class.
        prefix: what stands before the names of the backbone's tensors, such as `bert.`; None is what transformers
            saves.
        publish: from the tensors under these names, and the published config, to the tensors as published.
        heads: from the published config to the shapes of tensors that the published model has and `model_class`
            has not.
        modules: folders of further modules with weights, or, with the ending `.pt`, pickled files of weights; each with
            the shapes of its tensors.
        pickled: the published backbone is a pickle.
        labels: names of the labels.
        files: further files beside the weights, or replacements of those that all checkpoints have; texts are
            written as they are, everything else as JSON.
        chat_template: the tokenizer's chat template, in Jinja.
        side_files: sentence-transformers' files of an embedder are there.
        pooling: the pooling of published models, in the words of sentence-transformers.
        dense: output sizes of the Dense modules between pooling and normalisation.
        prompts: stored prompts by name.
        native_layout: transformers and sentence-transformers load the folder without the checkpoint's own code.
        ntk_factor: scale of the fixed NTK rotary frequencies of Alibaba's code, which transformers lacks.
        gain: standard deviation of the linear layers' weights, times the square root of their inputs.
        head_gain: factor of the weights of the head that `model_class` has.
        vocabulary_bias: added to the bias of the output layer over the vocabulary, where `model_class` has one.
        embedding_std: standard deviation of the embedding tables.
        extra_tensors: published tensors that no backbone reads, by name, with shape.
    """

    name: str
    model_class: str
    architecture: str
    tokenizer: Callable[[], TinyTokenizer]
    config: Callable[[TinyTokenizer], dict[str, Any]]
    native: Callable[[dict[str, Any]], dict[str, Any]] = dict
    prefix: str | None = None
    publish: Callable[[Tensors, Mapping[str, Any]], Tensors] | None = None
    heads: Callable[[Mapping[str, Any]], Mapping[str, tuple[int, ...]]] | None = None
    modules: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    pickled: bool = False
    labels: tuple[str, ...] = ()
    files: Callable[[TinyTokenizer], Mapping[str, Any]] | None = None
    chat_template: str | None = None
    side_files: bool = True
    pooling: str = "mean"
    dense: tuple[int, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    native_layout: bool = True
    ntk_factor: float | None = None
    gain: float = 1.2
    head_gain: float = 1.0
    vocabulary_bias: float = 0.0
    embedding_std: float = 1.0
    extra_tensors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
