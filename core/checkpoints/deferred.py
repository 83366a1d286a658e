"""Imports of transformers that running a model never uses, put off until something does use them.

`transformers.modeling_utils` imports for training and for several devices what takes longer than everything else of a
cold start: torch's compiler with sympy and triton, distributed tensors, scipy. Inside `light_imports` these modules
are stood in for; what is imported from a stand-in is a `Deferred`, which imports the real module when it is first used,
and is then replaced by the real object in the modules that hold it. `sys.modules` holds the stand-ins no longer than
the block lasts, and nothing that is loaded already is stood in for. The package that a module is part of keeps its
stand-in as attribute, since code that comes later (peft, a plugin) may rely on transformers having imported it; asked
for a name there, it imports the real module.

While a model is loaded, transformers asks of each tensor whether it is distributed, and imports the class to do so.
`light_loading` stands in for that module alone, and only until a part of torch imports that module itself.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from cenote.checkpoints.shortcuts import import_models

__all__ = ["Deferred", "light_imports", "light_loading", "prepare_transformers"]

_DISTRIBUTED = "torch.distributed.tensor"
#: Parts of torch that import it themselves.
_MEETING = ("torch._dynamo", "torch._inductor", "torch.distributed.")

_MODULES = (
    "scipy.optimize",
    "torch._dynamo",
    "torch.distributed._composable",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    _DISTRIBUTED,
)
_LOCK = threading.RLock()
#: Threads inside a block, with the modules that are stood in for there; other threads import as ever.
_OPEN: dict[int, tuple[str, ...]] = {}
#: Names of the modules that were stood in for and not taken out again.
_STANDING: set[str] = set()


class Deferred:
    """An object of a module that is not imported yet: any use of it imports the module and goes to the real object.

    Inside `light_imports`, when modules run whose code decorates functions and makes default values, a call or an
    attribute gives another deferred object.
    """

    def __init__(self, module: str, make: Callable[[], Any], package: str = "") -> None:
        self._module = module
        self._make = make
        self._package = package
        self._made: list[Any] = []

    def real(self) -> Any:
        """Return the real object, and put it where the modules of the package that imported this one have it."""
        if not self._made:
            self._made.append(self._make())
            for name, module in list(sys.modules.items()):
                if name.partition(".")[0] == self._package:
                    held = vars(module)
                    held.update({key: self._made[0] for key, value in list(held.items()) if value is self})
        return self._made[0]

    def _then(self, make: Callable[[], Any]) -> Deferred:
        """Return what is made of this object, deferred like it."""
        return Deferred(self._module, make, self._package)

    def _is_loaded(self) -> bool:
        """Tell whether the real module is imported and complete."""
        loaded = sys.modules.get(self._module)
        return loaded is not None and not isinstance(loaded, _StandIn) and not _is_initializing(loaded)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the real object, now or when its result is used."""
        if _imports():
            return self._then(lambda: self.real()(*args, **kwargs))
        return self.real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the real object, now or when it is used."""
        if name == "__signature__" and not _imports():
            return inspect.signature(self.real())
        if name.startswith("_"):  # asked for by copying and inspection, which must not import anything
            raise AttributeError(name)
        if _imports():
            return self._then(lambda: getattr(self.real(), name))
        return getattr(self.real(), name)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind the real object where it is a decorated method."""
        if _imports():
            return self
        bind = getattr(type(self.real()), "__get__", None)
        return self.real() if bind is None else bind(self.real(), instance, owner)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Any, ...]:
        """Return the real class for a class that is derived from it."""
        return (self.real(),)

    def __instancecheck__(self, instance: object) -> bool:
        """Tell whether an object is an instance; while the class is not imported, none is."""
        return self._is_loaded() and isinstance(instance, self.real())

    def __subclasscheck__(self, subclass: type) -> bool:
        """Tell whether a class is derived from this one; while this one is not imported, none is."""
        return self._is_loaded() and issubclass(subclass, self.real())

    def __copy__(self) -> Deferred:
        """Return itself."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Deferred:
        """Return itself."""
        return self

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Say that the real object is pickled."""
        return _itself, (self.real(),)

    def __eq__(self, other: object) -> bool:
        """Compare the real objects."""
        return bool(self.real() == (other.real() if isinstance(other, Deferred) else other))

    def __hash__(self) -> int:
        """Return the hash of the real object."""
        return hash(self.real())

    def __or__(self, other: Any) -> Any:
        """Return what an annotation may say: this type or another."""
        return self

    __ror__ = __or__


def _itself(value: Any) -> Any:
    return value


class _StandIn(types.ModuleType):
    """In place of a module; says of every name that it is deferred, and after the block gives the real object."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = self.__name__
        loaded = sys.modules.get(module)
        if _OPEN.get(threading.get_ident()) and (loaded is None or isinstance(loaded, _StandIn)):
            importer = str(sys._getframe(1).f_globals.get("__name__", ""))
            return Deferred(module, lambda: getattr(_import(module), name), importer.partition(".")[0])
        return getattr(_import(module), name)


class _Finder(MetaPathFinder, Loader):
    """Gives stand-ins to the threads that are inside `light_imports`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        names = _OPEN.get(threading.get_ident(), ())
        if any(fullname == name or fullname.startswith(f"{name}.") for name in names):
            return ModuleSpec(fullname, self, is_package=True)
        if names == (_DISTRIBUTED,) and fullname.startswith(_MEETING):
            # Parts of torch that import each other must meet the real module.
            _OPEN[threading.get_ident()] = ()
            _remove_stand_ins()
        return None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        _STANDING.add(spec.name)
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module empty."""


_FINDER = _Finder()


def _imports() -> bool:
    """Tell whether this thread imports transformers, and so must not use what it imports."""
    return _OPEN.get(threading.get_ident(), ()) not in ((), (_DISTRIBUTED,))


def light_imports() -> AbstractContextManager[None]:
    """Stand in for modules that this thread's imports ask for inside the block.

    Only for imports of transformers' own modules: what other code computes while it is imported needs the real ones.
    `CENOTE_LIGHT_IMPORTS=0` imports everything at once.
    """
    return _standing_in(_MODULES)


def light_loading() -> AbstractContextManager[None]:
    """Stand in for distributed tensors while one of transformers' own classes loads weights inside the block."""
    return _standing_in((_DISTRIBUTED,))


@contextmanager
def _standing_in(names: tuple[str, ...]) -> Iterator[None]:
    if os.environ.get("CENOTE_LIGHT_IMPORTS") == "0":
        yield
        return
    thread = threading.get_ident()
    with _LOCK:
        before = _OPEN.get(thread)
        _OPEN[thread] = names
        if before is None:
            sys.meta_path.insert(0, _FINDER)
        try:
            yield
        finally:
            _OPEN[thread] = before or ()
            if before is None:
                del _OPEN[thread]
                sys.meta_path.remove(_FINDER)
            _remove_stand_ins()


def prepare_transformers() -> None:
    """Import what every model class of transformers needs, and no more."""
    import torch  # noqa: F401  # first, and whole

    with light_imports():
        import_models()
        import transformers.masking_utils
        import transformers.modeling_utils  # noqa: F401


def _remove_stand_ins() -> None:
    """Take the stand-ins out of `sys.modules`, so that whoever imports one of these modules gets the real one."""
    for name in list(_STANDING):
        module = sys.modules.get(name)
        if module is not None and _is_initializing(module):
            continue  # another thread is putting it there, and the import system wants to find it
        _STANDING.discard(name)
        if isinstance(module, _StandIn):
            sys.modules.pop(name, None)


def _is_initializing(module: types.ModuleType) -> bool:
    """Tell whether a module is being imported. Source: `_initializing` of importlib's module specs."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _import(name: str) -> types.ModuleType:
    """Import a module itself: also inside a block, and while another thread is inside one."""
    thread = threading.get_ident()
    names = _OPEN.get(thread)
    if names is not None:
        _OPEN[thread] = ()
    try:
        while True:
            _remove_stand_ins()
            module = import_module(name)
            if not isinstance(module, _StandIn):
                return module
    finally:
        if names is not None:
            _OPEN[thread] = names
