"""The registry: what is installed, and which adapter loads a checkpoint. Imports no torch."""

from cenote.registry.entry import GROUPS, Entry
from cenote.registry.listing import PluginRow, list_plugins
from cenote.registry.loading import load_object
from cenote.registry.markers import model_name
from cenote.registry.model_registry import ModelRegistry
from cenote.registry.resolve import ResolvedAdapter, load_adapter, resolve_adapter
from cenote.registry.spec import API_VERSION, ArchitectureSpec, CheckpointFacts, ConvertRule
from cenote.registry.store import Registry, default_registry

__all__ = [
    "API_VERSION",
    "GROUPS",
    "ArchitectureSpec",
    "CheckpointFacts",
    "ConvertRule",
    "Entry",
    "ModelRegistry",
    "PluginRow",
    "Registry",
    "ResolvedAdapter",
    "default_registry",
    "list_plugins",
    "load_adapter",
    "load_object",
    "model_name",
    "resolve_adapter",
]
