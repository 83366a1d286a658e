"""Adapters: from checkpoints to pooling models. Importing this package loads no torch."""

from cenote.adapters.base import LoadOptions, ModelAdapter, PoolingModel
from cenote.adapters.families import FAMILIES, Family, family_of
from cenote.adapters.pauses import reentrant

__all__ = ["FAMILIES", "Family", "LoadOptions", "ModelAdapter", "PoolingModel", "family_of", "reentrant"]
