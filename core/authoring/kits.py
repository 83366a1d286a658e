"""Which class of the conformance kit tests what a plugin offers, as the text of a test class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from cenote.authoring.steps import Step
from cenote.registry.entry import ARCHITECTURES
from cenote.registry.listing import list_plugins
from cenote.registry.states import USABLE

__all__ = ["Kit", "kit_class"]


#: The look-alike says nothing of the model but what its spec says, so only that is tested.
_ADAPTER = Template("""\
import pytest
from cenote.registry import load_object
from cenote.testing.adapter import AdapterConformance


class Lookalike(AdapterConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        return load_object($lookalike)(tmp_path_factory.mktemp("model"))


Test = Lookalike.for_spec(load_object($spec))
""")


@dataclass(frozen=True, slots=True)
class Kit:
    """A test class, or why there is none.

    Attributes:
        code: its text; the class is called `Test`. Empty where there is none.
        reason: why not, and what to do.
    """

    code: str = ""
    reason: str = ""


def kit_class(step: Step, target: Any) -> Kit:
    """Choose for one target."""
    choose = _KITS.get(step.group)
    return Kit(reason="the conformance kit has no tests for this kind") if choose is None else choose(step, target)


def _class(module: str, base: str, *lines: str) -> Kit:
    body = "\n".join(f"    {line}" for line in lines)
    return Kit(code=f"from cenote.testing.{module} import {base}\n\n\nclass Test({base}):\n{body}\n")


def _adapter(step: Step, spec: Any) -> Kit:
    if spec.lookalike is None:
        text = "the spec has no lookalike: name a function that writes a tiny checkpoint, 'package.module:function'"
        return Kit(reason=text)
    return Kit(code=_ADAPTER.substitute(lookalike=repr(spec.lookalike), spec=repr(step.value)))


def _pooler(step: Step, target: Any) -> Kit:
    return _class("poolers", "PoolerConformance", f"method = {step.names[0]!r}")


def _kernel(step: Step, target: Any) -> Kit:
    from cenote.testing.kernel_cases import CASES

    operator, _, backend = step.names[0].partition(":")
    if operator not in CASES:
        return Kit(reason=f"the kit has no cases for operators such as {operator!r}; test it with cases of its own")
    device = "cuda" if backend in ("cuda", "triton") else "cpu"
    if device == "cuda" and not _has_gpu():
        return Kit(reason=f"the backend {backend!r} runs on a GPU, and there is none here")
    lines = (f"operator = {operator!r}", f"backend = {backend!r}", f"device = {device!r}")
    return _class("kernels", "KernelConformance", *lines)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _processor(step: Step, target: Any) -> Kit:
    if not getattr(target, "examples", ()):  # a class in the style of vLLM has no such attribute
        return Kit(reason=f"{target.__name__}.examples is empty; put values of data there that work")
    task = (target.tasks or ("embed",))[0].split("&")[0]
    if not _is_offered(task):
        return Kit(reason=f"no installed adapter can do {task!r}, which its tests need; install one")
    return _class("processors", "IOProcessorConformance", f"processor = {step.names[0]!r}")


def _is_offered(task: str) -> bool:
    """Tell whether any adapter does a task; what depends on the model (`score`, `plugin`) counts as done."""
    if task in ("score", "plugin"):
        return True
    return any(task in row.tasks for row in list_plugins() if row.state in USABLE)


def _codec(step: Step, target: Any) -> Kit:
    return _class("codecs", "OutputCodecConformance", f"codec = {step.names[0]!r}")


def _scorer(step: Step, target: Any) -> Kit:
    return _class("scorers", "ScorerConformance", f"scorer = {step.names[0]!r}")


_KITS: Mapping[str, Callable[[Step, Any], Kit]] = {
    ARCHITECTURES: _adapter,
    "cenote.poolers": _pooler,
    "cenote.kernels": _kernel,
    "cenote.io_processors": _processor,
    "cenote.output_codecs": _codec,
    "cenote.scorers": _scorer,
}
