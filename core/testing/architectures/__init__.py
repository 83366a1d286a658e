"""Tiny checkpoints of any text class of transformers, for the sweep over its auto maps."""

from cenote.testing.architectures.build import build_architecture
from cenote.testing.architectures.classes import Architecture, architectures, classifiers
from cenote.testing.architectures.run import Outcome, run_architecture

__all__ = ["Architecture", "Outcome", "architectures", "build_architecture", "classifiers", "run_architecture"]
