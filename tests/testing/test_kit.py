"""The conformance kit itself: it says what to override, and it catches models that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_MISSING = """
from cenote.testing.adapter import AdapterConformance
from cenote.testing.kernels import KernelConformance

class TestNothingSet(AdapterConformance):
    pass

class TestNoOperator(KernelConformance):
    cases = ()

    def test_asks(self, kernel):
        pass
"""

_LEAKY = """
import pytest
from cenote.engine import LLM
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint

class Leaky(LLM):
    # Adds a little of each text's neighbour, as attention without sequence borders does.
    def encode(self, prompts, *args, **kwargs):
        outputs = super().encode(prompts, *args, **kwargs)
        rows = [output.outputs.data for output in outputs]
        for output, neighbour in zip(outputs, [None, *rows]):
            if neighbour is not None and neighbour.shape == output.outputs.data.shape:
                output.outputs.data = output.outputs.data + 1e-3 * neighbour
        return outputs

class TestLeaky(AdapterConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint):
        with Leaky(str(checkpoint)) as model:
            yield model
"""


def _run_pytest(source: str, folder: Path) -> str:
    (folder / "test_generated.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder).stdout


def test_a_missing_override_is_named(tmp_path: Path) -> None:
    output = _run_pytest(_MISSING, tmp_path)
    assert "NotImplementedError: TestNothingSet must override the fixture 'checkpoint'." in output
    assert "NotImplementedError: TestNoOperator must set 'operator' and 'backend'." in output


def test_a_model_that_leaks_between_neighbours_is_caught(tmp_path: Path) -> None:
    output = _run_pytest(_LEAKY, tmp_path)
    for name in ("a_batch_equals_each_text_alone", "the_order_of_texts_does_not_matter", "neighbours_do_not_matter"):
        assert f"FAILED test_generated.py::TestLeaky::test_{name}" in output
    assert "PASSED test_generated.py::TestLeaky::test_an_over_long_text_is_refused" in output


@pytest.mark.parametrize("module", ["cenote.testing", "cenote.testing.pytest_plugin"])
def test_the_plugin_imports_neither_torch_nor_the_assertions(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'numpy', 'cenote.testing.adapter'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"


def test_failing_assertions_of_the_kit_show_values(tmp_path: Path) -> None:
    source = (
        "from cenote.testing.compare import assert_close\n"
        "def test_shapes():\n    assert_close([1.0], [1.0, 2.0], tolerance=1.0)\n"
    )
    # Only a rewritten assert prints the comparison of its operands.
    assert "assert (1,) == (2,)" in _run_pytest(source, tmp_path)
