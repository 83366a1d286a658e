"""Tiny models of many families with random weights, run packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from cenote.adapters.backbone import Backbone
from cenote.adapters.families import family_of
from cenote.adapters.probes import Probe
from cenote.adapters.selfcheck import choose_execution

_SIZES: dict[str, Any] = {
    "bos_token_id": 1,
    "cls_token_id": 1,
    "dim": 32,
    "embedding_size": 32,
    "eos_token_id": 2,
    "global_attn_every_n_layers": 2,
    "head_dim": 16,
    "hidden_dim": 48,
    "hidden_size": 64,
    "intermediate_size": 48,
    "mask_token_id": 3,
    "n_heads": 4,
    "n_layers": 3,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "query_pre_attn_scalar": 16,
    "sep_token_id": 2,
    "sliding_window": 8,
    "use_sliding_window": True,
    "vocab_size": 100,
}
#: Families whose heads of keys are as many as those of queries.
_UNGROUPED = {"gte", "jina_embeddings_v3", "nomic_bert"}


def _tiny_model(family: str, dtype: torch.dtype = torch.float32, **settings: Any) -> Any:
    """Return a base model whose norms and biases are random too, so that leaving one out shows."""
    sizes = {name: value for name, value in _SIZES.items() if hasattr(AutoConfig.for_model(family), name)}
    if family in _UNGROUPED:
        sizes.pop("num_key_value_heads", None)
    generator = torch.Generator().manual_seed(3)
    config = AutoConfig.for_model(family, **sizes | settings)
    model: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            middle = 0.7 if parameter.dim() == 1 else 0.0
            parameter.copy_(middle + 0.15 * torch.randn(parameter.shape, generator=generator))
    return model.to(dtype)


@dataclass(frozen=True, slots=True)
class Packed:
    """A model that runs packed, with the sequences that it was judged by."""

    model: Any
    backbone: Backbone
    probe: Probe

    def __call__(self) -> Tensor:
        """Return the hidden states of the sequences."""
        return self.probe.together(self.backbone)


def _packed(model: Any) -> Packed:
    """Let a model run packed."""
    backbone, reason, probe = choose_execution(model, family_of(model.config.model_type), "packed", 64)
    assert backbone.execution == "packed", reason
    return Packed(model, backbone, probe)


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., Any]:
    """From a family, a dtype and settings of the config to a base model."""
    return _tiny_model


@pytest.fixture(scope="session")
def packed() -> Callable[[Any], Any]:
    """From a base model to a call that runs it packed."""
    return _packed
