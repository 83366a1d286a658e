"""Checkpoints: finding, fetching, reading and verifying a model's files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.default import DEFAULT_MODEL_NAME, DefaultModel, default_model, find_default_model
from cenote.checkpoints.locate import open_checkpoint
from cenote.checkpoints.modules import (
    DenseModule,
    LayerNormModule,
    NormalizeModule,
    PoolingModule,
    RouterModule,
    StaticEmbeddingModule,
    TransformerModule,
    UnknownModule,
)
from cenote.checkpoints.sentence_transformers import SentenceTransformersFiles

if TYPE_CHECKING:
    from cenote.checkpoints.backbone import load_backbone
    from cenote.checkpoints.configs import build_config
    from cenote.checkpoints.tokenizers import load_tokenizer

__all__ = [
    "DEFAULT_MODEL_NAME",
    "Checkpoint",
    "DefaultModel",
    "DenseModule",
    "LayerNormModule",
    "NormalizeModule",
    "PoolingModule",
    "RouterModule",
    "SentenceTransformersFiles",
    "StaticEmbeddingModule",
    "TransformerModule",
    "UnknownModule",
    "build_config",
    "default_model",
    "find_default_model",
    "load_backbone",
    "load_tokenizer",
    "open_checkpoint",
]

# These pull in torch and transformers, which reading a checkpoint's facts does not need.
_HOMES = {
    "build_config": "cenote.checkpoints.configs",
    "load_backbone": "cenote.checkpoints.backbone",
    "load_tokenizer": "cenote.checkpoints.tokenizers",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cenote.checkpoints' has no attribute {name!r}")
    return getattr(import_module(home), name)
