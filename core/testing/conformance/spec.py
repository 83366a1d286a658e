"""The spec agrees with the adapter, and says so without loading it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache

from cenote.engine import LLM
from cenote.registry import ResolvedAdapter
from cenote.testing.conformance.base import AdapterBase

__all__ = ["SpecTests"]

_LIST_SPEC = """
import sys
from cenote.registry import default_registry
registry = default_registry()
entries = [e for group in registry.entries("cenote.architectures").values() for e in group]
found = [e for e in entries if registry.load(e).name == sys.argv[1]]
assert found, "no entry point offers " + sys.argv[1]
print(",".join(sorted({"torch", "transformers"} & set(sys.modules))))
"""


@lru_cache
def _heavy_modules_of(spec_name: str) -> str:
    """Return which heavy modules a fresh process has imported after loading the spec of this name."""
    # -P keeps the working directory off the path: a checkout's own *.egg-info there would hide the installed one.
    done = subprocess.run([sys.executable, "-P", "-c", _LIST_SPEC, spec_name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class SpecTests(AdapterBase):
    """What is known of a model before it is loaded, and what it says of itself afterwards."""

    def test_the_model_can_do_the_tasks_under_test_and_no_others(self, model: LLM) -> None:
        assert set(model.supported_tasks) - {"score"} == set(self.tasks) - {"score"}
        assert ("score" in model.supported_tasks) >= ("score" in self.tasks)

    def test_the_spec_names_the_tasks_of_the_model(self, model: LLM, resolved: ResolvedAdapter) -> None:
        # `score` goes with a single label, so that a spec need not promise it.
        assert set(resolved.spec.tasks) - {"score"} == set(model.supported_tasks) - {"score"}

    def test_the_spec_names_the_modalities_of_the_model(self, model: LLM, resolved: ResolvedAdapter) -> None:
        assert set(resolved.spec.modalities) == set(model.limits.modalities)

    def test_importing_the_spec_loads_no_torch(self, resolved: ResolvedAdapter) -> None:
        assert _heavy_modules_of(resolved.spec.name) == ""

    def test_the_report_is_plain_text(self, model: LLM) -> None:
        report = model.report()
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in report.items())
        assert all("\n" not in value for value in report.values())
        assert report["adapter"]
        json.dumps(report)
