"""What the machine offers, what `CENOTE_CPU_KERNELS_LEVEL` asks for, and what happens where that is not there."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cenote.errors import MissingDependency
from cenote.kernels import OPERATORS, get_kernel
from cenote.registry import default_registry
from cenote_cpu_kernels import library as module
from cenote_cpu_kernels.library import LEVELS, level, library, offered, require

VARIABLE = "CENOTE_CPU_KERNELS_LEVEL"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what was found before and after each test."""
    monkeypatch.delenv(VARIABLE, raising=False)
    kept = (level, module._level_or_none, module._has)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


def kernel(**_: object) -> None:
    """Stand for a kernel."""


def test_the_level_is_that_of_the_machine_unless_a_lower_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert level() == library().cenote_level()
    level.cache_clear()
    monkeypatch.setenv(VARIABLE, "none")
    assert level() == 0
    with pytest.raises(MissingDependency, match="need avx2; this machine offers none"):
        require("avx2")


def test_a_level_that_the_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEVELS", (*LEVELS, "avx1024"))
    monkeypatch.setenv(VARIABLE, "avx1024")
    with pytest.raises(MissingDependency, match="asks for avx1024, and this machine offers "):
        level()


def test_a_name_of_no_level_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sse")
    known = "none, avx2, avx512, avx512_vnni, avx512_bf16, amx"
    with pytest.raises(MissingDependency, match=f"must be one of {known}, not 'sse'"):
        level()


def test_kernels_that_the_machine_cannot_run_are_offered_for_nothing_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, "none")
    with caplog.at_level(logging.INFO):
        marked = [offered("avx2")(kernel) for _ in range(3)]
    assert [each.devices for each in marked] == [(), (), ()]  # type: ignore[attr-defined]
    assert caplog.messages == ["cenote-cpu-kernels: kernels for avx2 are passed over; this machine has none"]


def test_without_the_compiled_object_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    library.cache_clear()
    with caplog.at_level(logging.INFO):
        marked = [offered("avx2")(kernel) for _ in range(3)]
    library.cache_clear()
    assert [each.devices for each in marked] == [(), (), ()]  # type: ignore[attr-defined]
    (line,) = caplog.messages
    assert "passed over" in line
    assert "Install g++ 11 or newer" in line


def test_where_the_machine_has_the_instructions_the_kernels_are_taken() -> None:
    names = [name for name in default_registry().names("cenote.kernels") if name.endswith(":native")]
    assert {name.partition(":")[0] for name in names} <= set(OPERATORS)
    if level() >= LEVELS.index("avx2"):
        chosen = get_kernel("residual_norm", "cpu")
        assert chosen.__module__ == "cenote_cpu_kernels.norm"
        assert getattr(chosen, "about", "") == LEVELS[level()]  # which `cenote env --full` shows
