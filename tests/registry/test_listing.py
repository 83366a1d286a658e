"""Rows of `cenote plugins`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cenote.registry import ArchitectureSpec, Entry, Registry, list_plugins
from cenote.registry.candidates import check_spec

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


def test_processors_of_vllm_are_listed_and_never_imported_for_it(make_module):
    make_module("must_not_run", "raise AssertionError('imported')")
    registry = Registry([Entry("vllm.io_processor_plugins", "prithvi", "must_not_run:f", "d", "1")], environment={})
    [row] = list_plugins(registry)
    assert (row.name, row.kind, row.state) == ("prithvi", "io processor (vllm)", "discovered")
    assert registry.entries("vllm.io_processor_plugins").keys() == {"prithvi"}


@pytest.mark.parametrize("field", ["lookalike", "config_repair"])
def test_a_spec_whose_functions_cannot_be_found_by_name_is_no_spec(field):
    with pytest.raises(ValueError, match=f"^{field} of spec 'late' must be of the form 'package.module:function'$"):
        check_spec(replace(SPEC, **{field: "somewhere"}))


def test_threads_that_ask_and_list_at_once_agree(make_module):
    make_module("slow_plugin", "import time\ntime.sleep(0.05)\ndef run(): pass")
    make_module("slow_broken", "import time\ntime.sleep(0.05)\nraise RuntimeError('no luck')")
    entries = [
        Entry("cenote.commands", "good", "slow_plugin:run", "cenote-good", "1"),
        Entry("cenote.architectures", "Bad", "slow_broken:SPEC", "cenote-bad", "1"),
    ]
    registry = Registry(entries, environment={})
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(registry.get, "cenote.commands", "good") for _ in range(4)]
        listed = [pool.submit(list_plugins, registry) for _ in range(4)]
        assert len({id(future.result()) for future in asked}) == 1
        assert all(row.state == "failed" for future in listed for row in future.result() if row.name == "Bad")
    assert {row.name: row.state for row in list_plugins(registry)} == {"Bad": "failed", "good": "active"}
