"""Tiny random checkpoints in the layouts that are published: real model and tokenizer classes, real side files.

Each is below 0.3 MB (those that read images below 1.5 MB), built in well under a second, and the same bytes every time.
The weights are spread widely, so that a leak between neighbours in a batch, a wrong position or a lost bias changes
results far above any tolerance.
"""

from cenote.testing.checkpoints.build import build_checkpoint
from cenote.testing.checkpoints.catalogue import FAMILIES, HEADED, TOWERS, VISUAL, family
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.models import build_backbone
from cenote.testing.checkpoints.static import STATIC, build_static

__all__ = [
    "FAMILIES",
    "HEADED",
    "STATIC",
    "TOWERS",
    "VISUAL",
    "Family",
    "build_backbone",
    "build_checkpoint",
    "build_static",
    "family",
]
