"""What transformers does twice, or for all of its models at once, before the first answer of one.

It reads all of its 2,500 files of models to list what is in them, once for `transformers` and once for
`transformers.models`; and to rename stored tensors it compiles the patterns of all models. Results are the same here.
"""

from __future__ import annotations

import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["import_models", "lazy_patterns"]

#: From the libraries that modules need to modules, and the names in each.
_Listed: TypeAlias = dict[frozenset[str], dict[str, set[str]]]


_LOCK = threading.Lock()


def import_models() -> None:
    """Import `transformers.models` with the list that `transformers` has made of it."""
    import transformers
    from transformers.utils import import_utils

    folder = Path(str(transformers.__file__)).parent / "models"
    with _LOCK:
        if "transformers.models" in sys.modules:
            return
        define: Callable[..., _Listed] = import_utils.define_import_structure

        def defined(path: Any, prefix: str | None = None) -> _Listed:
            if prefix is not None or Path(path) != folder / "__init__.py":
                return define(path, prefix)
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


@contextmanager
def lazy_patterns() -> Iterator[None]:
    """Compile patterns for names of tensors when they are first used, where they are made inside the block."""
    from transformers import core_model_loading

    vars(core_model_loading)["re"] = types.SimpleNamespace(**{**vars(re), "compile": _Pattern})
    try:
        yield
    finally:
        vars(core_model_loading)["re"] = re


class _Pattern:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._arguments = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copying and pickling
            raise AttributeError(name)
        return getattr(re.compile(*self._arguments), name)  # which keeps what it has compiled

    def __deepcopy__(self, memo: dict[int, Any]) -> _Pattern:
        """Return itself, as a compiled one does."""
        return self

    def __reduce__(self) -> tuple[Callable[..., re.Pattern[str]], tuple[str, int]]:
        """Say that the compiled pattern is pickled."""
        return re.compile, self._arguments
