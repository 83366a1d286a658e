"""Rows of `cenote plugins`."""

from __future__ import annotations

from dataclasses import replace

from cenote.registry import ArchitectureSpec, Entry, Registry, list_plugins

SPEC = ArchitectureSpec(
    name="late", architectures=("A", "B"), adapter="fake:Late", tasks=("token_embed",), summary="Late interaction"
)


def rows(*installed: Entry, environment: dict[str, str] | None = None):
    registry = Registry(installed, environment=environment or {})
    return registry, lambda: list_plugins(registry)


def test_a_spec_is_one_row_however_many_names_it_has():
    registry, listed = rows()
    for name in SPEC.architectures:
        registry.register("cenote.architectures", name, SPEC, distribution="cenote-colbert", version="0.4.0")
    [row] = listed()
    assert (row.name, row.kind, row.distribution, row.version) == ("late", "architecture", "cenote-colbert", "0.4.0")
    assert (row.tasks, row.architectures) == (("token_embed",), ("A", "B"))
    assert (row.state, row.detail) == ("discovered", "Late interaction")


def test_broken_incompatible_and_disabled_plugins_have_rows_with_the_cause():
    registry, listed = rows(
        Entry("cenote.architectures", "Gone", "no_such_module_anywhere:SPEC", "cenote-gone", "1"),
        Entry("cenote.poolers", "off", "no_such_module_anywhere:P", "cenote-off", "2"),
        environment={"CENOTE_DISABLE_PLUGINS": "cenote-off"},
    )
    registry.register(
        "cenote.architectures", "Old", replace(SPEC, name="old", api_version=0), distribution="cenote-old"
    )
    states = {row.name: (row.state, row.detail) for row in listed()}
    assert states["Gone"] == (
        "failed",
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'. Install what offers the module "
        "'no_such_module_anywhere', or reinstall cenote-gone.",
    )
    assert states["old"][0] == "incompatible"
    assert "pip install -U cenote-old" in states["old"][1]
    assert states["off"] == ("disabled", "CENOTE_DISABLE_PLUGINS names it")


def test_other_kinds_are_judged_without_importing_them(make_module):
    make_module("must_not_run", "raise AssertionError('imported')")
    _, listed = rows(
        Entry("cenote.poolers", "fine", "must_not_run:P", "d", "1"),
        Entry("cenote.poolers", "gone", "no_such_module_anywhere:P", "d", "1"),
        Entry("cenote.poolers", "bad name", "must_not_run:P", "d", "1"),
        Entry("cenote.scorers", "twice", "must_not_run:P", "d", "1"),
        Entry("cenote.scorers", "twice", "must_not_run:P", "e", "1"),
        Entry("cenote.typo", "lost", "must_not_run:P", "d", "1"),
        Entry("cenote.commands", "serve", "must_not_run:P", "d", "1"),
        Entry("cenote.commands", "serve", "must_not_run:P", "cenote", "1"),
    )
    found = {(row.name, row.distribution): (row.state, row.detail) for row in listed()}
    assert found["fine", "d"] == ("discovered", "")
    assert found["gone", "d"] == ("failed", "there is no package 'no_such_module_anywhere'")
    assert "is not allowed" in found["bad name", "d"][1]
    assert found["twice", "d"] == ("failed", "conflict: e 1 offers the same name")
    assert "unknown group 'cenote.typo'" in found["lost", "d"][1]
    assert "may not replace" in found["serve", "d"][1]


def test_a_wrong_convert_rule_is_an_error_row():
    registry, listed = rows()
    registry.register("cenote.convert_rules", "wrong", 3)
    [row] = listed()
    assert (row.state, row.detail) == ("failed", "TypeError: expected ConvertRule objects, found int.")


def test_a_module_that_never_finishes_is_an_error_row_and_keeps_no_other_from_its_row(make_module):
    make_module("endless", "import threading\nthreading.Event().wait()")
    make_module(
        "swift",
        "from cenote.registry import ArchitectureSpec as A\nS = A(name='s', architectures=(), adapter='a:B', tasks=())",
    )
    registry = Registry(
        [
            Entry("cenote.architectures", "A", "endless:ONE", "cenote-slow", "1"),
            Entry("cenote.architectures", "B", "endless:TWO", "cenote-slow", "1"),
            Entry("cenote.convert_rules", "C", "endless:RULES", "cenote-slow", "1"),
            Entry("cenote.architectures", "D", "swift:S", "cenote-swift", "1"),
        ],
        environment={},
    )
    found = {row.name: (row.state, row.detail) for row in list_plugins(registry, patience=0.2)}
    detail = "importing endless did not end within 0.2 s; see where it waits, or disable it"
    assert found == {name: ("failed", detail) for name in "ABC"} | {"s": ("discovered", "")}
