"""Naming a low-rank adapter in a call."""

from cenote.lora.request import LoRARequest

__all__ = ["LoRARequest"]
