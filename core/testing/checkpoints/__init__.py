"""Tiny random checkpoints in the layouts that are published: real model and tokenizer classes, real side files.

Each is below 1.5 MB, built in well under a second, and the same bytes every time. The weights are spread widely, so
that a leak between neighbours in a batch, a wrong position or a lost bias changes results far above any tolerance.
"""

from cenote.testing.checkpoints.build import FAMILIES, build_backbone, build_checkpoint, family
from cenote.testing.checkpoints.family import Family

__all__ = ["FAMILIES", "Family", "build_backbone", "build_checkpoint", "family"]
