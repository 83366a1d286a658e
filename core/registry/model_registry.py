"""`ModelRegistry`: adding an architecture from a program, under the names that vLLM's users know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cenote.registry.entry import ARCHITECTURES
from cenote.registry.spec import ArchitectureSpec
from cenote.registry.store import default_registry

__all__ = ["ModelRegistry"]


class ModelRegistry:
    """The architectures that this process can load by name. A published plugin uses an entry point instead."""

    @staticmethod
    def register_model(
        architecture: str, adapter: str, *, tasks: Sequence[str] = ("embed", "token_embed")
    ) -> Callable[[], None]:
        """Add an architecture until the process ends, or until the function that is returned is called.

        Args:
            architecture: entry of `architectures` in `config.json`.
            adapter: `package.module:Class` with a method `load(checkpoint, options)`; imported when it is needed.
            tasks: what its models can do.
        """
        spec = ArchitectureSpec(name=architecture, architectures=(architecture,), adapter=adapter, tasks=tuple(tasks))
        return default_registry().register(ARCHITECTURES, architecture, spec)

    @staticmethod
    def get_supported_archs() -> tuple[str, ...]:
        """Return the architectures that some spec names; others of transformers are converted."""
        names = default_registry().entries(ARCHITECTURES)
        return tuple(sorted(name for name in names if not name.startswith("convert:")))
