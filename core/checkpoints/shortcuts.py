"""What transformers does twice before the first answer of a model.

It reads all of its 2,500 files of models to list what is in them, once for `transformers` and once for
`transformers.models`. The lists are the same here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["import_models"]

#: From the libraries that modules need to modules, and the names in each.
_Listed: TypeAlias = dict[frozenset[str], dict[str, set[str]]]


_LOCK = threading.Lock()


def import_models() -> None:
    """Import `transformers.models` with the list that `transformers` has made of it."""
    import transformers
    from transformers.utils import import_utils

    folder = Path(str(transformers.__file__)).parent / "models"
    with _LOCK:
        define: Callable[..., _Listed] | None = getattr(import_utils, "define_import_structure", None)
        if define is None or "transformers.models" in sys.modules:
            return

        def defined(module_path: Any, prefix: str | None = None) -> _Listed:
            if prefix is not None or Path(module_path) != folder / "__init__.py":
                return define(module_path, prefix)
            known = define(folder, prefix="models")  # kept by its cache; beside models it has what stands at the top
            found = {backends: _below("models.", modules) for backends, modules in known.items()}
            return {backends: modules for backends, modules in found.items() if modules}

        vars(import_utils)["define_import_structure"] = defined
        try:
            import transformers.models
        finally:
            vars(import_utils)["define_import_structure"] = define


def _below(prefix: str, modules: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the modules whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): set(names) for name, names in modules.items() if name.startswith(prefix)}
