"""What `cenote bench` refuses, before it measures anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cenote import LLM
from cenote.cli.bench import app
from cenote.errors import InvalidRequest, PluginError
from cenote.kernels import OPERATORS
from cenote.testing.bench import compare_embedding
from cenote.testing.bench.kernels import compare_kernels
from cenote.testing.bench.kernels.room import check_tokens
from cenote.testing.checkpoints import build_checkpoint


def refusal(*arguments: str) -> BaseException | None:
    """Run the command and return what it raises."""
    return CliRunner().invoke(app, [*arguments, "--rounds", "1"]).exception


@pytest.mark.parametrize(
    ("device", "reason"),
    [("meta", "meta tensors"), ("foo", "device type"), ("", "must not be empty"), ("hpu", "hpu"), ("cpu:x", "Invalid")],
)
def test_devices_on_which_nothing_can_be_computed_are_refused(device: str, reason: str) -> None:
    found = refusal("kernels", "rotary", "--tokens", "8", "--device", device)
    assert isinstance(found, InvalidRequest)
    assert str(found).startswith(f"There is no device {device!r} here that can compute (")
    assert reason in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize("operator", OPERATORS)
def test_more_tokens_than_memory_holds_are_refused_with_the_number_that_it_holds(operator: str) -> None:
    found = refusal("kernels", operator, "--tokens", "10000000000000")
    assert isinstance(found, InvalidRequest)
    pattern = rf"10000000000000 tokens were asked for; {operator} takes about \S+ GiB .* Ask for at most (\d+)\."
    most = re.fullmatch(pattern, str(found))
    assert most is not None
    check_tokens(int(most[1]) // 2, [operator], "cpu")  # half, since what is free changes meanwhile


def test_no_tokens_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="0 tokens were asked for"):
        compare_kernels(["rotary"], tokens=0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("rotary:nope", "'rotary:nope', which is not installed. Installed for rotary: "),
        ("reference,cpu", "'reference' and for 'cpu', both for every operator. Keep one of them."),
    ],
)
def test_what_the_variable_names_wrongly_is_refused_with_its_name(
    words: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", words)
    found = refusal("kernels", "l2_normalize", "--tokens", "8")
    assert isinstance(found, PluginError)
    assert str(found).startswith(f"CENOTE_KERNELS asks for {text}")


def test_more_tokens_a_text_than_the_model_takes_stand_for_its_limit(tmp_path: Path) -> None:
    model = build_checkpoint("bert", tmp_path)
    report = compare_embedding(
        ["a text", "word " * 2000], model=str(model), against=["transformers"], rounds=1, max_tokens=10**25
    )
    with LLM(str(model)) as llm:
        assert report.max_tokens == llm.limits.max_tokens
