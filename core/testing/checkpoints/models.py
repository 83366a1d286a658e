"""Build the transformers model of a family, with its look-alike weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cenote.checkpoints.deferred import light_imports, prepare_transformers
from cenote.testing.checkpoints.catalogue import family
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.weights import fill_parameters

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["build_backbone", "label_settings", "published_config"]


def build_backbone(name: str, *, labels: tuple[str, ...] | None = None) -> PreTrainedModel:
    """Return the family's model with the same weights as `build_checkpoint` writes, in evaluation mode.

    It has its head where transformers' class has one, and is the reference for layouts that transformers cannot read
    by itself (nomic, gte, jina).

    Args:
        name: family; not one of static embeddings, which are no transformers model.
        labels: names of the labels of a classifier; None is the family's own.
    """
    import torch

    chosen = family(name)
    model_class = _class_of(chosen)
    config = model_class.config_class(**chosen.native(published_config(chosen, labels)))
    with torch.random.fork_rng(devices=[]):  # construction draws numbers; the caller's stream stays as it was
        model = model_class(config).eval()
    fill_parameters(model, name, gain=chosen.gain, embedding_std=chosen.embedding_std)
    _strengthen_head(model, chosen.head_gain)
    if chosen.vocabulary_bias:
        with torch.no_grad():
            model.get_output_embeddings().bias.add_(chosen.vocabulary_bias)
    if chosen.ntk_factor is not None:
        _scale_rotary(model, chosen.ntk_factor)
    return model  # type: ignore[no-any-return]


def _class_of(chosen: Family) -> Any:
    """Import a family's class, without what only training and compilers need."""
    prepare_transformers()
    import transformers

    with light_imports():
        return getattr(transformers, chosen.model_class)


def published_config(chosen: Family, labels: tuple[str, ...] | None) -> dict[str, Any]:
    """Return the published keys of `config.json` without `architectures`."""
    return chosen.config(chosen.tokenizer()) | label_settings(chosen.labels if labels is None else labels)


def label_settings(labels: tuple[str, ...]) -> dict[str, Any]:
    """Return how `config.json` names the labels; nothing where there are none."""
    if not labels:
        return {}
    return {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def _strengthen_head(model: PreTrainedModel, gain: float) -> None:
    """Multiply the matrices of the head, so that its results differ clearly between texts."""
    import torch

    backbone = set(model.base_model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and parameter not in backbone:
                parameter.mul_(gain)


def _scale_rotary(model: PreTrainedModel, factor: float) -> None:
    """Set the rotary frequencies of Alibaba's `ntk` scaling, the same for all lengths.

    Source: text-embeddings-inference and vLLM 0.32: inv_freq[k] = (base * s)^(-2k/d) / s^(2/d).
    """
    import torch

    config = model.config
    size = config.hidden_size // config.num_attention_heads
    base = config.rope_parameters["rope_theta"] * factor
    exponent = torch.arange(0, size, 2, dtype=torch.float32) / size
    for module in model.modules():
        if hasattr(module, "inv_freq"):
            rotary: Any = module
            rotary.inv_freq.copy_(base**-exponent / factor ** (2 / size))
