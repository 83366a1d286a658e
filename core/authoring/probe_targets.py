"""Importing the targets of a plugin and looking at them; runs in the process that `process.py` starts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

from cenote.authoring.effects import watched
from cenote.authoring.kits import kit_class
from cenote.authoring.probe_specs import look_at_spec, try_spec
from cenote.authoring.steps import LIGHT, Report, Step
from cenote.errors import PluginError
from cenote.registry.entry import ARCHITECTURES
from cenote.registry.loading import load_object
from cenote.registry.points import FOREIGN, point_of
from cenote.registry.store import default_registry

__all__ = ["HEAVY", "look_at", "try_code"]

#: The group of kernels.
KERNELS = "cenote.kernels"

#: Modules that take long to import or much memory.
HEAVY = frozenset(
    "torch transformers tokenizers numpy scipy pandas sklearn sentence_transformers PIL fastapi triton tensorflow jax "
    "onnxruntime".split()
)

#: Module of a light target: the heavy modules that came with it.
_loaded: dict[str, list[str]] = {}


def look_at(step: Step) -> Iterator[Report]:
    """Import a target, see what came with it, and ask the group's own check."""
    yield {"at": f"importing {step.module}"}
    before = set(sys.modules)
    with watched(step.module) as effects:
        target = _load(step)
    yield _passed("import", step.value)
    if effects:
        yield _failed("side effects", f"importing {step.module} {'; '.join(effects)}. Do such work in functions")
    if step.group in LIGHT:
        found = sorted(HEAVY & (set(sys.modules) - before))
        yield _weight(step, _loaded.setdefault(step.module, found))
    if step.group in FOREIGN:
        yield {"at": f"finding the class that {step.value} names"}
        yield _foreign(step)
    if step.group == KERNELS:
        yield from _operators(step)
    point = point_of(step.group)
    if point is None:
        return
    problem = _refusal(point.check, target)
    yield _passed("interface", f"it is {point.target}") if problem is None else _failed("interface", problem)
    if problem is None and step.group == ARCHITECTURES:
        yield from look_at_spec(step, target)


def try_code(step: Step) -> Iterator[Report]:
    """Import what a target names, and say which class of the conformance kit tests it."""
    yield {"at": f"importing {step.module}"}
    target = _load(step)
    if step.group == ARCHITECTURES:
        yield from try_spec(step, target)
    yield {"at": f"choosing conformance tests for {step.subject}"}
    kit = kit_class(step, target)
    yield {"kit": kit.code} if kit.code else {"check": "conformance", "outcome": "not run", "text": kit.reason}


def _load(step: Step) -> Any:
    if ":" in step.value:
        return load_object(step.value)
    return importlib.import_module(step.value)  # hooks may be a whole module


def _weight(step: Step, heavy: list[str]) -> Report:
    if not heavy:
        return _passed("light", "importing it loads nothing heavy")
    text = f"importing {step.module} loads {', '.join(heavy)}, and {step.module} is imported to look at plugins. "
    if step.group == ARCHITECTURES:
        return _failed("light", text + "Import it in the adapter's module, which the spec names by a string")
    return _failed("light", text + "Import it inside the functions that need it")


def _operators(step: Step) -> Iterator[Report]:
    """Say which operators are known by this plugin alone; anybody may add one."""
    known = default_registry().names(KERNELS)
    for operator in dict.fromkeys(name.partition(":")[0] for name in step.names):
        if f"{operator}:reference" not in known:
            text = f"there is no operator {operator!r} with a reference; a new one needs {operator}:reference"
            yield {"check": "operator", "outcome": "not run", "text": text}


def _refusal(check: str, target: Any) -> str | None:
    function = load_object(check)
    try:
        function(target)
    except (TypeError, ValueError) as exc:
        return str(exc)
    return None


def _foreign(step: Step) -> Report:
    """Find an IO processor of another program's group, as selecting it would."""
    from cenote.io_processors.select import find_processor

    try:
        found = find_processor(step.names[0])
    except PluginError as exc:
        return _failed("interface", str(exc))
    return _passed("interface", f"it runs as {found.kind.__name__}")


def _passed(check: str, text: str) -> Report:
    return {"check": check, "outcome": "passed", "text": text}


def _failed(check: str, text: str) -> Report:
    return {"check": check, "outcome": "failed", "text": text}
