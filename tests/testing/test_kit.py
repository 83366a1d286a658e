"""The conformance kit itself: it says what to override, and it catches models that are wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

_MISSING = """
from cenote.testing.adapter import AdapterConformance
from cenote.testing.kernels import KernelConformance
from cenote.testing.poolers import PoolerConformance

class TestNoPooler(PoolerConformance):
    pass

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


_WRONG_SPEC = """
import pytest
from cenote.registry import ArchitectureSpec, default_registry
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint

SPEC = ArchitectureSpec(
    name="liar",
    architectures=("BertModel",),
    adapter="cenote.adapters.embed:EmbedderAdapter",
    tasks=("embed", "classify"),
    markers=("config:liar=true",),
    modalities=("text", "image"),
)

class TestLiar(AdapterConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        undo = default_registry().register("cenote.architectures", "BertModel", SPEC)
        yield build_checkpoint("bert", tmp_path_factory.mktemp("bert"), config={"liar": True})
        undo()
"""

_POOLERS = """
import pytest
import torch
from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler, TokenPooler, get_method
from cenote.testing.poolers import PoolerConformance

def padded_mean(hidden, lengths, skips):
    # Divides by the longest, as a mean over padding does.
    return torch.stack([part.sum(0) / max(lengths) for part in hidden.split(list(lengths))])

def careless(hidden, lengths, skips):
    # Keeps the dtype it was given, and writes into the hidden states.
    hidden[0] = 0
    return torch.stack([part[0] for part in hidden.split(list(lengths))])

class TestPaddedMean(PoolerConformance):
    method = padded_mean

class TestCareless(PoolerConformance):
    method = careless

class Views(SequencePooler):
    def __call__(self, hidden, batch):
        skips = [0] * len(batch.rows)
        return [{"embed": row} for row in self.method(hidden, batch.lengths, skips)]

class TestViews(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls):
        return Views(get_method("CLS"), EmbeddingHead())

class Generous(TaskPooler):
    def __call__(self, hidden, batch):
        vectors, tokens = (self.poolers[name](hidden, batch) for name in ("embed", "token_embed"))
        return [a | b for a, b in zip(vectors, tokens)]

class TestGenerous(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls):
        vectors = SequencePooler(get_method("CLS"), EmbeddingHead())
        return Generous({"embed": vectors, "token_embed": TokenPooler(EmbeddingHead())})
"""


_PROCESSORS = """
from pydantic import BaseModel
from cenote.io_processors import IOProcessor
from cenote.testing.processors import IOProcessorConformance

class Text(BaseModel):
    text: str

class Size(BaseModel):
    size: int

class Base(IOProcessor):
    Request = Text
    Response = Size
    tasks = ("embed",)
    examples = ({"text": "water"}, {"text": "How deep is the well?"})

    def pre_process(self, prompt, context):
        context.state["text"] = prompt.text
        return prompt.text

    def post_process(self, outputs, context):
        return Size(size=len(context.state["text"]))

class Keeping(Base):
    # Keeps the text of a request on itself.
    def pre_process(self, prompt, context):
        self.text = prompt.text
        return prompt.text

    def post_process(self, outputs, context):
        return Size(size=len(self.text))

class Counting(Base):
    # Answers the second request otherwise than the first.
    seen = 0

    def post_process(self, outputs, context):
        Counting.seen += 1
        return Size(size=Counting.seen)

class Crashing(Base):
    # Takes data as it comes, and falls over it.
    Request = None

    def pre_process(self, prompt, context):
        context.state["text"] = prompt["text"]
        return prompt["text"] or "x"

    def post_process(self, outputs, context):
        return Size(size=len(context.state["text"]) // (len(context.state["text"]) - 1000))

class Lenient(Base):
    Request = None

    def parse_data(self, data):
        return Text(text=str(data))

class Diverging(Base):
    # Its async variant does something else.
    async def post_process_async(self, outputs, context):
        return Size(size=-1)

class TestSound(IOProcessorConformance):
    processor = Base
    bad_examples = ({"text": 1},)

class TestKeeping(IOProcessorConformance):
    processor = Keeping

class TestCounting(IOProcessorConformance):
    processor = Counting

class TestCrashing(IOProcessorConformance):
    processor = Crashing

class TestLenient(IOProcessorConformance):
    processor = Lenient
    bad_examples = ({"no text": 1},)

class TestDiverging(IOProcessorConformance):
    processor = Diverging
"""


_SOURCES = {
    "missing": _MISSING,
    "leaky": _LEAKY,
    "spec": _WRONG_SPEC,
    "poolers": _POOLERS,
    "processors": _PROCESSORS,
    # Only a rewritten assert prints the comparison of its operands.
    "values": (
        "from cenote.testing.compare import assert_close\n"
        "def test_shapes():\n    assert_close([1.0], [1.0, 2.0], tolerance=1.0)\n"
    ),
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of all sources, in one process, since each would import everything anew."""
    folder = tmp_path_factory.mktemp("kit")
    for name, source in _SOURCES.items():
        (folder / f"test_{name}.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
    ]
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
