"""Layers of transformers models as a few calls of operators each, in place of the model's own.

`fuse_layers` swaps the list of layers of a base model for one module that runs them all. Which structures are known is
a table (`layouts`); whether a model has one is read from its parts (`reading`), from what its norms and activations
compute (`kinds`) and from what it asks of attention (`recording`), and then proven on its own weights (`fuse`).
"""

from cenote.adapters.fused.fuse import fuse_layers
from cenote.adapters.fused.layers import FusedLayers

__all__ = ["FusedLayers", "fuse_layers"]
