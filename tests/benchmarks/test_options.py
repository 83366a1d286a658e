"""What the benchmarks refuse on their command lines: one line, before a model is loaded or anything is measured."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from harness.options import whole

#: Script, option, values that it refuses, and what the error says.
REFUSED = [
    ("quality", "--documents", ("5", "0", "-1", "9"), "a whole number, 10 or more (rankings are compared by"),
    ("quality", "--documents", ("1000000",), "1000000 docstrings were asked for; the standard library has"),
    ("quality", "--queries", ("0", "-5", "many"), "a whole number, 1 or more"),
    ("quality", "--queries", ("1000000",), "1000000 docstrings were asked for; the standard library has"),
    ("run", "--threads", ("-3", "0", "1000000", "1.5"), "(the processors of this process)"),
    ("check", "--rounds", ("0", "-1", "100000", "x" * 5000), "a whole number, 1 to 1000"),
    ("gpu", "--device", ("foo", "meta", "", "cuda:x"), "There is no device "),
    ("gpu", "--tokens", ("0", "-8"), "a whole number, 1 or more"),
    ("gpu", "--most-tokens", ("0",), "a whole number, 1 or more"),
    ("gpu", "--texts", ("0",), "a whole number, 1 or more"),
    ("gpu", "--max-tokens", ("2",), "a whole number, 3 or more"),
    ("gpu", "--rounds", ("0",), "a whole number, 1 to 1000"),
    ("interactive", "--seconds", ("0", "-1", "nan", "inf", "soon"), "a whole number, 1 to 3600"),
    ("interactive", "--connections", ("0", "-1"), "a whole number, 1 to 1000"),
    ("interactive", "--texts", ("0",), "a whole number, 1 or more"),
    ("serve", "--requests", ("0", "-1"), "a whole number, 1 or more"),
    ("serve", "--batches", ("0",), "a whole number, 1 or more"),
    ("serve", "--rounds", ("0",), "a whole number, 1 to 1000"),
    ("pages", "--pages", ("0", "-1"), "a whole number, 1 to 1000"),
    ("pages", "--rounds", ("0",), "a whole number, 1 to 1000"),
    ("pages", "--shrink", ("0", "-1", "1000"), "a whole number, 1 to 14 (no side under 32 pixels)"),
    ("plugins", "--distributions", ("0",), "a whole number, 1 to 10000"),
    ("plugins", "--adapters", ("0", "-2"), "a whole number, 1 to 10000"),
    ("plugins", "--rounds", ("0",), "a whole number, 1 to 1000"),
    ("bge_m3", "--layers", ("0", "-1"), "a whole number, 1 to 100"),
    ("bge_m3", "--vocabulary", ("0", "999"), "a whole number, 1000 to 10000000"),
    ("encode_response", "--items", ("0", "-1"), "a whole number, 1 to 10000"),
    ("encode_response", "--size", ("0",), "a whole number, 1 to 10000"),
    ("encode_response", "--rounds", ("0",), "a whole number, 1 to 1000"),
    ("truncation", "--characters", ("0", "-1"), "a whole number, 1 to 100000000"),
    ("truncation", "--tokens", ("0", "-1"), "a whole number, 16 or more"),
    ("truncation", "--rounds", ("0",), "a whole number, 1 to 1000"),
]


@pytest.mark.parametrize(
    ("script", "option", "value", "text"),
    [(script, option, value, text) for script, option, values, text in REFUSED for value in values],
)
def test_a_bad_value_is_refused_in_one_line(
    script: str,
    option: str,
    value: str,
    text: str,
    benchmarks: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = runpy.run_path(str(benchmarks / f"{script}.py"))["main"]  # by its path: other folders have such names
    monkeypatch.setattr(sys, "argv", [f"{script}.py", option, value])
    with pytest.raises(SystemExit) as caught:
        main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert caught.value.code == 2
    assert last.startswith(f"{script}.py: error: argument {option}: ")
    assert text in last
    assert len(last) < 400


def test_a_bound_is_a_value_that_is_accepted() -> None:
    assert [whole(2, 4)(value) for value in ("2", "4")] == [2, 4]


@pytest.mark.parametrize(
    ("words", "tokens", "text"),
    [("", "10000000000000", "Ask for at most "), ("cpu,reference", "8", "both for every operator")],
)
def test_a_gpu_is_not_checked_for_what_it_cannot_hold_or_nobody_can_mean(
    words: str,
    tokens: str,
    text: str,
    benchmarks: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu = runpy.run_path(str(benchmarks / "gpu.py"))
    monkeypatch.setenv("CENOTE_KERNELS", words)
    assert gpu["main"](["--device", "cpu", "--tokens", tokens]) == gpu["REFUSED"]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert text in printed.err
