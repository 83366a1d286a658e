"""The conformance kit itself: it says what to override, and it catches models that are wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_FAULTY = Path(__file__).parent / "faulty"
#: Plugins of pytest that take seconds to import.
_UNUSED = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of all of them, in one process, since each would import everything anew."""
    folder = tmp_path_factory.mktemp("kit")
    for path in _FAULTY.glob("*.py"):
        shutil.copy(path, folder / f"test_{path.name}")
    unused = [word for name in _UNUSED for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", *unused, "--rootdir", str(folder)]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder).stdout


def test_a_missing_override_is_named(output: str) -> None:
    assert "NotImplementedError: TestNothingSet must override the fixture 'checkpoint'." in output
    assert "NotImplementedError: TestNoPooler must override the fixture 'pooler', or set 'method'." in output
    assert "NotImplementedError: TestNoOperator must set 'operator' and 'backend'." in output


def test_a_model_that_leaks_between_neighbours_is_caught(output: str) -> None:
    for name in ("a_batch_equals_each_text_alone", "the_order_of_texts_does_not_matter", "neighbours_do_not_matter"):
        assert f"FAILED test_leaky.py::TestLeaky::test_{name}" in output
    assert "PASSED test_leaky.py::TestLeaky::test_an_over_long_text_is_refused" in output


def test_a_spec_that_promises_something_else_is_caught(output: str) -> None:
    assert "FAILED test_spec.py::TestLiar::test_the_spec_names_the_tasks_of_the_model" in output
    assert "FAILED test_spec.py::TestLiar::test_the_spec_names_the_modalities_of_the_model" in output
    assert "PASSED test_spec.py::TestLiar::test_a_batch_equals_each_text_alone[embed]" in output


def test_poolers_that_are_wrong_are_caught(output: str) -> None:
    wrong = {
        "PaddedMean": ("the_method_gives_each_sequence_what_it_gets_alone", "a_batch_equals_each_prompt_alone"),
        "Careless": (
            "the_method_leaves_the_hidden_states_alone",
            "the_method_gives_a_float32_row_per_sequence[float16]",
            "tokens_that_are_left_out_take_no_part",
        ),
        "Views": ("results_own_their_memory",),
        "Generous": ("each_prompt_gets_the_tasks_that_it_asks_for",),
    }
    for kind, names in wrong.items():
        for name in names:
            assert f"FAILED test_poolers.py::Test{kind}::test_{name}" in output
    assert "PASSED test_poolers.py::TestPaddedMean::test_the_method_leaves_the_hidden_states_alone" in output


def test_processors_that_are_wrong_are_caught(output: str) -> None:
    wrong = {
        "Keeping": ("requests_at_one_time_do_not_mix",),
        "Counting": ("the_same_request_gets_the_same_answer", "http_gets_what_one_caller_gets"),
        "Crashing": ("strange_data_is_never_our_fault",),
        "Lenient": ("bad_data_is_refused_by_name",),
        "Diverging": ("sync_and_async_hooks_agree",),
    }
    for kind, names in wrong.items():
        for name in names:
            assert f"FAILED test_processors.py::Test{kind}::test_{name}" in output
    assert "::TestSound::" not in "".join(line for line in output.splitlines() if line.startswith("FAILED"))
    assert "PASSED test_processors.py::TestSound::test_bad_data_is_refused_by_name" in output


def test_a_model_that_is_careless_with_images_is_caught(output: str) -> None:
    for name in (
        "a_batch_of_unlike_images_equals_each_alone[token_embed]",
        "images_and_texts_share_batches",
        "a_text_beside_an_image_counts",
        "an_image_is_turned_as_its_file_says",
        "what_is_transparent_is_white",
        "broken_images_are_refused_and_their_neighbours_answered",
        "the_vectors_of_an_image_name_their_patches",
    ):
        assert f"FAILED test_images.py::TestCareless::test_{name}" in output
    for name in ("different_images_give_different_results[token_embed]", "more_images_than_allowed_are_refused"):
        assert f"PASSED test_images.py::TestCareless::test_{name}" in output


def test_what_does_not_apply_is_counted_as_deselected(output: str) -> None:
    # Views and Generous are no methods.
    assert "TestViews::test_the_method" not in output
    assert " deselected" in output


@pytest.mark.parametrize("module", ["cenote.testing", "cenote.testing.pytest_plugin"])
def test_the_plugin_imports_neither_torch_nor_the_assertions(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'numpy', 'cenote.testing.adapter'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"


def test_failing_assertions_of_the_kit_show_values(output: str) -> None:
    assert "assert (1,) == (2,)" in output
