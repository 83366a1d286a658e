"""Which implementation of an operator is taken, and what one of a plugin may do wrong."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from ctypes import c_int32
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from cenote import LLM
from cenote.errors import InvalidRequest, PluginError, PluginFailure, UnknownPlugin, WrongResult
from cenote.kernels import OPERATORS, check_forced_kernels, get_kernel
from cenote.kernels.base import check_kernel
from cenote.kernels.dispatch import forced_kernels
from cenote.kernels.interrupt import Interrupt
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.kernels import one_step

ROWS = torch.eye(3)

Register = Callable[..., Callable[[], None]]


def kernel(call: Callable[..., Any] | None = None, **attributes: Any) -> Any:
    """Return a new kernel with attributes."""

    def acme(rows: Tensor) -> Any:
        return rows * 2 if call is None else call()

    for name, value in attributes.items():
        setattr(acme, name, value)
    return acme


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """Offer kernels for one test."""
    monkeypatch.delenv("CENOTE_KERNELS", raising=False)
    undo: list[Callable[[], None]] = []

    def offer(name: str, target: Any) -> Callable[[], None]:
        undo.append(default_registry().register("cenote.kernels", name, target, distribution="acme", version="1.2"))
        return undo[-1]

    yield offer
    for each in undo:
        each()


@pytest.mark.parametrize(
    ("attributes", "device", "taken"),
    [
        ({"devices": ("cpu",), "priority": 99}, "cpu", True),
        ({"devices": ("xpu", "cpu"), "priority": 11}, "xpu", True),
        ({"devices": ("cuda",), "priority": 99}, "cpu", False),
        ({"devices": ("xpu",), "priority": 10}, "xpu", False),  # that of the core goes first among equals
        ({"devices": ("cpu",)}, "cpu", False),
        ({"priority": 99}, "cpu", False),
        ({}, "cpu", False),
    ],
)
def test_a_kernel_says_for_which_devices_it_is_and_its_place(
    attributes: dict[str, Any], device: str, taken: bool, register: Register
) -> None:
    register("l2_normalize:acme", kernel(**attributes))
    assert (get_kernel("l2_normalize", device).__name__ == "acme") is taken


def test_a_name_that_the_core_knows_is_not_enough_for_a_stranger(register: Register) -> None:
    register("linear:triton", kernel())
    assert get_kernel("linear", "cuda").__module__ == "cenote.kernels.linear.cpu"


@pytest.mark.parametrize("operator", [each for each in OPERATORS if each != "linear"])
def test_tensors_on_nvidia_gpus_get_the_kernels_that_are_written_for_them(
    operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CENOTE_KERNELS", raising=False)
    assert get_kernel(operator, "cuda").__module__ == f"cenote.kernels.{operator}.triton"


def test_a_choice_is_logged_with_its_reason_and_only_once(register: Register, caplog: pytest.LogCaptureFixture) -> None:
    register("acme_logged:broken", "no_such_module_anywhere:kernel")
    register("acme_logged:quick", kernel(devices=("xpu",), priority=7))
    register("acme_logged:slow", kernel(devices=("xpu",), priority=3))
    with caplog.at_level(logging.INFO, "cenote.kernels"):
        get_kernel("acme_logged", "xpu")
        undo = register("acme_other:slow", kernel())  # everything is chosen anew
        get_kernel("acme_logged", "xpu")
        undo()
    rejected, chosen = (record.getMessage() for record in caplog.records if record.name == "cenote.kernels.dispatch")
    assert rejected.startswith("acme_logged:broken is passed over: ")
    assert chosen == "acme_logged on xpu: quick of acme 1.2, the first that works of quick, slow"


def test_an_explicit_choice_is_logged_and_never_replaced(
    register: Register, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register("acme_chosen:good", kernel(devices=("cpu",)))
    register("acme_chosen:broken", "no_such_module_anywhere:kernel")
    with caplog.at_level(logging.INFO, "cenote.kernels"):
        monkeypatch.setenv("CENOTE_KERNELS", "acme_chosen:broken")
        with pytest.raises(PluginError, match="no_such_module_anywhere"):
            get_kernel("acme_chosen")
    assert "acme_chosen on cpu: broken, which CENOTE_KERNELS asks for" in caplog.text


def test_a_choice_ends_with_the_registration(register: Register) -> None:
    before = get_kernel("l2_normalize", "xpu")
    undo = register("l2_normalize:acme", kernel(devices=("xpu",), priority=99))
    assert get_kernel("l2_normalize", "xpu") is not before
    undo()
    assert get_kernel("l2_normalize", "xpu") is before


def test_an_operator_whose_kernels_are_for_other_devices_says_so(register: Register) -> None:
    register("acme_op:acme", kernel(devices=("cuda",)))
    with pytest.raises(UnknownPlugin, match=r"'acme_op' is for the device 'cpu'.* Installed: acme_op:acme"):
        get_kernel("acme_op")


def test_one_with_attributes_of_another_kind_is_passed_over(
    register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    register("l2_normalize:acme", kernel(devices="cpu", priority=99))
    assert get_kernel("l2_normalize").__name__ == "l2_normalize"
    assert "devices of a kernel is a tuple" in caplog.text
    with pytest.raises(TypeError, match="priority of a kernel is a whole number"):
        check_kernel(kernel(priority="high"))


def _exit() -> None:
    sys.exit(3)


def _refuse() -> None:
    raise InvalidRequest("not this")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (_exit, PluginFailure, "failed (SystemExit)"),
        (lambda: [][1], PluginFailure, "failed (IndexError)"),
        (lambda: [1], WrongResult, "returned list, not a tensor"),
        (lambda: ROWS[:2], WrongResult, "returned shape [2, 3], not [3, 3]"),
        (lambda: ROWS.int(), WrongResult, "returned int32 numbers, not floats"),
    ],
)
def test_what_a_kernel_does_wrong_names_it(
    call: Any, kind: type[PluginFailure], text: str, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("l2_normalize:bad", kernel(call))
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:bad")
    with pytest.raises(kind) as caught:
        get_kernel("l2_normalize")(ROWS)
    assert str(caught.value) == f"The kernel 'l2_normalize:bad' of acme 1.2 {text}."
    assert (caught.value.plugin, caught.value.distribution) == ("l2_normalize:bad", "acme")


@pytest.mark.parametrize(
    ("join", "kind", "text"),
    [
        (lambda _: _exit(), PluginFailure, "failed (SystemExit)"),
        (lambda _: lambda *rows, **batch: _exit(), PluginFailure, "failed (SystemExit)"),
        (lambda _: lambda *rows, **batch: (ROWS, ROWS[:2], 2), WrongResult, "returned shape [2, 3], not [3, 3]"),
        (
            lambda _: lambda *rows, **batch: ROWS,
            WrongResult,
            "returned Tensor, not a tuple of two tensors and a number",
        ),
        (lambda _: lambda *rows, **batch: (ROWS, ROWS, 1), WrongResult, "returned 1 as the next layer after 0 of 2"),
        (
            lambda _: lambda *rows, **batch: (ROWS, ROWS, None),
            WrongResult,
            "returned None as the next layer after 0 of 2",
        ),
    ],
)
def test_what_joined_layers_do_wrong_names_the_kernel_that_joined_them(
    join: Any, kind: type[PluginFailure], text: str, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("linear:bad", kernel(join=join))
    monkeypatch.setenv("CENOTE_KERNELS", "linear:bad")
    found: Any = get_kernel("linear")
    with pytest.raises(kind) as caught:
        found.join([None, None])(ROWS, ROWS, lengths=(3,), key_lengths=(3,), angles={})
    assert str(caught.value) == f"The kernel 'linear:bad' of acme 1.2 {text}."


@pytest.mark.parametrize(("place", "is_right"), [(0, False), (1, False), (2, True), (3, True), (4, False)])
def test_interrupted_layers_go_on_behind_the_one_that_was_first(
    place: int, is_right: bool, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("linear:bad", kernel(join=lambda _: lambda *rows, **batch: (ROWS, ROWS, place)))
    monkeypatch.setenv("CENOTE_KERNELS", "linear:bad")
    joined = cast("Any", get_kernel("linear")).join([None] * 3)
    with nullcontext() if is_right else pytest.raises(WrongResult, match=f"{place} as the next layer after 1 of 3"):
        joined(ROWS, ROWS, lengths=(3,), key_lengths=(3,), angles={}, first=1, interrupt=Interrupt(c_int32(1)))


def test_a_kernel_that_refuses_layers_refuses_them_through_dispatch(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("linear:choosy", kernel(join=lambda _: None))
    monkeypatch.setenv("CENOTE_KERNELS", "linear:choosy")
    found: Any = get_kernel("linear")
    assert found.join([]) is None


def test_a_refusal_stays_one(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register("l2_normalize:bad", kernel(_refuse))
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:bad")
    with pytest.raises(InvalidRequest, match="not this"):
        get_kernel("l2_normalize")(ROWS)


def test_the_shapes_that_are_asked_for_are_those_of_the_reference(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cenote.testing.kernel_cases import CASES

    for operator, cases in CASES.items():
        reference = default_registry().get("cenote.kernels", f"{operator}:reference")
        register(f"{operator}:same", reference)
        monkeypatch.setenv("CENOTE_KERNELS", f"{operator}:same")
        for case in cases:
            tensors, options = case.inputs(torch.float32, "cpu")
            one_step(operator, get_kernel(operator))(**tensors, **options)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("l2_normalize:nope", "'l2_normalize:nope', which is not installed. Installed for l2_normalize: "),
        ("nope:cpu", "'nope:cpu', which is not installed. Installed operators: bias_act, l2_normalize, linear, maxsim"),
        ("triton", "'linear:triton', which is not installed. Installed for linear: "),
        ("cpu,linear:triton", "'linear:triton', which is not installed. Installed for linear: "),
    ],
)
def test_words_of_the_variable_are_checked_before_a_model_is_loaded(
    words: str, text: str, register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", words)
    with pytest.raises(UnknownPlugin) as caught:
        LLM(str(tmp_path / "nothing here"))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("cpu", {}),
        ("reference", {}),
        ("triton,linear:cpu", {"linear": "cpu"}),
        ("cpu,rotary:triton", {"rotary": "triton"}),
    ],
)
def test_a_backend_is_named_for_all_operators_with_others_for_single_ones(
    words: str, others: dict[str, str], register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", words)
    check_forced_kernels()
    for operator in OPERATORS:
        backend = others.get(operator, words.partition(",")[0])
        assert inspect.unwrap(get_kernel(operator)).__module__ == f"cenote.kernels.{operator}.{backend}"


def test_a_forced_kernel_that_is_broken_is_found_as_early(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register("l2_normalize:gone", "no_such_module_anywhere:kernel")
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:gone, reference")
    with pytest.raises(PluginError, match="no_such_module_anywhere"):
        check_forced_kernels()
    monkeypatch.setenv("CENOTE_KERNELS", " reference ,")
    check_forced_kernels()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("reference,cpu", "'reference' and for 'cpu', both for every operator."),
        (
            "linear:native, rotary:cpu,linear:cpu",
            "'linear:native' and for 'linear:cpu', both for the operator 'linear'.",
        ),
        ("acme_op:one,acme_op:two", "'acme_op:one' and for 'acme_op:two', both for the operator 'acme_op'."),
    ],
)
def test_words_that_contradict_each_other_are_refused(
    words: str, text: str, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", words)
    for ask in (check_forced_kernels, lambda: get_kernel("linear")):
        with pytest.raises(UnknownPlugin) as caught:  # bad input, as what is not installed
            ask()
        assert str(caught.value) == f"CENOTE_KERNELS asks for {text} Keep one of them."


def test_a_word_may_be_said_twice(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", "cpu,linear:reference,cpu,linear:reference")
    check_forced_kernels()
    assert forced_kernels()["linear"] == "reference"


@pytest.mark.parametrize("words", ["x" * 5000, "rotary:" + "x" * 5000, "cpu," + "x" * 5000])
def test_a_long_word_is_cut_in_the_error(words: str, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", words)
    with pytest.raises(PluginError, match=r"^CENOTE_KERNELS asks for .*xxx\.\.\.'") as caught:
        check_forced_kernels()
    assert len(str(caught.value)) < 300


def test_one_that_is_asked_for_and_not_installed_is_told_wherever_a_kernel_is_chosen(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENOTE_KERNELS", "rotary:nope")
    with pytest.raises(UnknownPlugin, match="CENOTE_KERNELS asks for 'rotary:nope', which"):
        get_kernel("rotary")
    get_kernel("linear")  # which nobody forced


def test_the_error_of_a_request_names_the_kernel(
    register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = default_registry().get("cenote.kernels", "l2_normalize:reference")
    register("l2_normalize:bad", lambda rows: _exit() if loaded else good(rows))
    monkeypatch.setenv("CENOTE_KERNELS", "l2_normalize:bad")
    loaded: list[LLM] = []
    with LLM(str(build_checkpoint("bert", tmp_path))) as llm:
        loaded.append(llm)
        (found,) = llm.encode("How deep is the well?", pooling_task="embed")
    assert found.error is not None
    assert found.error.message == "The kernel 'l2_normalize:bad' of acme 1.2 failed (SystemExit)."
