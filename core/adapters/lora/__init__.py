"""Low-rank adapters (LoRA) per request: the base model and any number of adapters in one forward.

A targeted layer keeps its weights and adds `up · down · x` to the rows of each adapter that a batch names, so that
nothing is merged and rows without an adapter stay as they are.
"""

from cenote.adapters.lora.backbone import LoraBackbone
from cenote.adapters.lora.layers import LowRank
from cenote.adapters.lora.store import LoraStore

__all__ = ["LoraBackbone", "LoraStore", "LowRank"]
