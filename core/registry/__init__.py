"""The registry: what is installed, and which adapter loads a checkpoint. Imports no torch."""

from cenote.registry.entry import GROUPS, Entry
from cenote.registry.fingerprint import fingerprint
from cenote.registry.listing import PluginRow, list_plugins
from cenote.registry.loading import load_object
from cenote.registry.markers import model_name
from cenote.registry.model_registry import ModelRegistry
from cenote.registry.operator import check_required, plugin_settings
from cenote.registry.points import POINTS, ExtensionPoint
from cenote.registry.resolve import ResolvedAdapter, load_adapter, resolve_adapter
from cenote.registry.spec import API_VERSION, ArchitectureSpec, CheckpointFacts, ConvertRule
from cenote.registry.states import ACTIVE, DISABLED, DISCOVERED, FAILED, INCOMPATIBLE, USABLE, Rejection, State
from cenote.registry.store import Registry, default_registry

__all__ = [
    "ACTIVE",
    "API_VERSION",
    "DISABLED",
    "DISCOVERED",
    "FAILED",
    "GROUPS",
    "INCOMPATIBLE",
    "POINTS",
    "USABLE",
    "ArchitectureSpec",
    "CheckpointFacts",
    "ConvertRule",
    "Entry",
    "ExtensionPoint",
    "ModelRegistry",
    "PluginRow",
    "Registry",
    "Rejection",
    "ResolvedAdapter",
    "State",
    "check_required",
    "default_registry",
    "fingerprint",
    "list_plugins",
    "load_adapter",
    "load_object",
    "model_name",
    "plugin_settings",
    "resolve_adapter",
]
