"""What transformers does before the first answer of a model, and need not.

It reads all of its 2,500 files of models to list what is in them, at every start, for `transformers` and for
`transformers.models`. The lists are the same here, made once for the files that are installed.
"""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from cenote.checkpoints.model_list import ModelList, read_list, write_list

__all__ = ["import_models"]

_UTILS, _DEFINE = "transformers.utils.import_utils", "define_import_structure"
_LOCK = threading.Lock()


class _Definition:
    """In place of `define_import_structure` of transformers: gives the kept list of models, and all others as ever."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._define: Callable[..., ModelList] | None = getattr(module, _DEFINE, None)
        self._models = Path(str(module.__file__)).parents[1] / "models"
        self._listed: ModelList | None = None
        if self._define is not None:
            vars(module)[_DEFINE] = self

    def __call__(self, module_path: Any, prefix: str | None = None) -> ModelList:
        """Do as transformers' function does."""
        assert self._define is not None
        if Path(module_path) not in (self._models, self._models / "__init__.py"):
            return self._define(module_path, prefix)
        if self._listed is None:
            self._listed = self._list(self._define)
        start = "" if prefix is None else f"{prefix}."
        return {
            needs: {f"{start}{module}": set(names) for module, names in found.items()}
            for needs, found in self._listed.items()
        }

    def _list(self, define: Callable[..., ModelList]) -> ModelList:
        if os.environ.get("CENOTE_LIGHT_IMPORTS") == "0":
            return define(self._models)
        listed = read_list(self._models)
        if listed is None:
            listed = define(self._models)
            write_list(self._models, listed)
        return listed

    def undo(self) -> None:
        """Put the function of transformers back."""
        if self._define is not None:
            vars(self._module)[_DEFINE] = self._define


class _Finder(MetaPathFinder, Loader):
    """Replaces the function as soon as its module is there, which is before transformers uses it."""

    definition: _Definition | None = None
    _loader: Loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == _UTILS else None
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the module with its own loader, by which others know it."""
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self.definition = _Definition(module)


def import_models() -> None:
    """Import what uses the list of models when it is imported, with the list that is kept, or one made once."""
    with _LOCK:
        if "transformers.models" in sys.modules:
            return
        finder = _Finder()
        sys.meta_path.insert(0, finder)
        try:
            utils = import_module(_UTILS)
            finder.definition = finder.definition or _Definition(utils)  # transformers may have been imported before
            import_module("transformers.models")
            import_module("transformers.processing_utils")  # runs `transformers` once more; every model imports it
        finally:
            sys.meta_path.remove(finder)
            if finder.definition is not None:
                finder.definition.undo()
