"""Options of cenote, validated: what users set, and where each resolved value came from."""

from cenote.config.engine import EngineConfig
from cenote.config.pooler import PoolerConfig
from cenote.config.resolve import Fact, Resolved, first_set

__all__ = ["EngineConfig", "Fact", "PoolerConfig", "Resolved", "first_set"]
