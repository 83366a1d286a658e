"""The conformance kit as `cenote plugins check` runs it: with pytest in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.authoring import conformance
from cenote.authoring.conformance import run_kits
from cenote.authoring.kits import kit_class
from cenote.authoring.steps import Step

PASSING = "class Test:\n    def test_one(self):\n        pass\n    def test_two(self):\n        pass\n"
FAILING = f"{PASSING}    def test_sum(self):\n        assert 1 + 1 == 3, 'so much'\n"
BROKEN = "raise RuntimeError('not even imported')\n"


def step(group: str, name: str, value: str = "acme:THING") -> Step:
    return Step(
        stage="code", subject="s", group=group, value=value, names=(name,), distribution="cenote-acme", version="1"
    )


def test_each_class_gets_a_verdict_of_its_own():
    found = list(run_kits({"poolers/GOOD": PASSING, "poolers/BAD": FAILING, "poolers/WORSE": BROKEN}, 60))
    assert found[0] == ("poolers/GOOD", "passed", "2 tests of the kit")
    subject, outcome, text = found[1]
    assert (subject, outcome) == ("poolers/BAD", "failed")
    assert text.startswith("1 of 3 tests of the kit: test_sum: AssertionError: so much")
    text = "1 of 1 tests of the kit: test_kit_2: RuntimeError: not even imported"
    assert found[2] == ("poolers/WORSE", "failed", text)


def test_tests_that_hang_are_ended():
    hanging = "import time\nclass Test:\n    def test_wait(self):\n        time.sleep(600)\n"
    ((_, outcome, text),) = run_kits({"poolers/SLOW": hanging}, 2)
    assert outcome == "failed"
    assert text.startswith("the tests did not end within 2 s; give more time with --seconds")


def test_a_test_that_ends_the_process_fails():
    leaving = "import os\nclass Test:\n    def test_leave(self):\n        os._exit(9)\n"
    ((_, outcome, text),) = run_kits({"poolers/GONE": leaving}, 60)
    assert outcome == "failed"
    assert text.startswith("pytest ended with status 9")


def test_without_pytest_nothing_is_run_and_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(conformance, "find_spec", lambda name: None)
    found = list(run_kits({"poolers/GOOD": PASSING}, 60))
    assert found == [("poolers/GOOD", "not run", "it needs pytest: pip install 'cenote[testing]'")]


class Spec:
    lookalike = "acme.lookalike:build"


class Processor:
    examples: tuple[Any, ...] = ({"text": "a"},)
    tasks: tuple[str, ...] = ("embed",)


@pytest.mark.parametrize(
    ("group", "name", "target", "lines"),
    [
        ("cenote.architectures", "AcmeModel", Spec, ("'acme.lookalike:build'", "for_spec(load_object('acme:THING'))")),
        ("cenote.poolers", "ACME", None, ("from cenote.testing.poolers import", "method = 'ACME'")),
        ("cenote.kernels", "linear:acme", None, ("operator = 'linear'", "backend = 'acme'", "device = 'cpu'")),
        ("cenote.io_processors", "acme", Processor, ("processor = 'acme'",)),
        ("cenote.output_codecs", "int4", None, ("codec = 'int4'",)),
        ("cenote.scorers", "acme", None, ("scorer = 'acme'",)),
    ],
)
def test_each_kind_has_its_class_of_the_kit(group, name, target, lines):
    code = kit_class(step(group, name), target).code
    compile(code, "kit", "exec")
    for line in lines:
        assert line in code


@pytest.mark.parametrize(
    ("group", "name", "target", "reason"),
    [
        ("cenote.architectures", "AcmeModel", type("Spec", (), {"lookalike": None}), "the spec has no lookalike"),
        ("cenote.kernels", "acme:cpu", None, "the kit has no cases for operators such as 'acme'"),
        ("cenote.io_processors", "a", type("Own", (), {"examples": ()}), "Own.examples is empty; put values of data"),
        ("cenote.commands", "acme", None, "the conformance kit has no tests for this kind"),
    ],
)
def test_what_cannot_be_tested_says_why(group, name, target, reason):
    kit = kit_class(step(group, name), target)
    assert kit.code == ""
    assert reason in kit.reason
