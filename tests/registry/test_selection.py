"""CENOTE_PLUGINS, CENOTE_DISABLE_PLUGINS and CENOTE_TRACE_PLUGINS."""

from __future__ import annotations

import pytest

from cenote.errors import UnknownPlugin
from cenote.registry import ArchitectureSpec, Entry, Registry, resolve_adapter
from cenote.registry.states import DISABLED

GROUP = "cenote.commands"
INSTALLED = [
    Entry(GROUP, "mean", "math:sqrt", "cenote", "0.1.0"),
    Entry(GROUP, "late", "math:sqrt", "cenote-colbert", "0.4.0"),
    Entry(GROUP, "other", "math:sqrt", "rival", "1.0"),
]


def names(**variables: str) -> tuple[str, ...]:
    return Registry(INSTALLED, environment=variables).names(GROUP)


def disabled(registry: Registry) -> list[tuple[Entry, str]]:
    return [(found.entry, found.detail) for found in registry.rejections() if found.state == DISABLED]


def test_without_variables_everything_takes_part():
    assert names() == ("late", "mean", "other")


@pytest.mark.parametrize("word", ["late", "cenote-colbert", "Cenote_Colbert", " late , nothing "])
def test_the_allow_list_takes_names_and_distributions_and_trims_them(word):
    assert names(CENOTE_PLUGINS=word) == ("late", "mean")


def test_an_empty_allow_list_leaves_the_built_ins():
    assert names(CENOTE_PLUGINS="") == ("mean",)


@pytest.mark.parametrize("word", ["late", "cenote-colbert", " CENOTE.colbert ,"])
def test_the_deny_list_takes_names_and_distributions(word):
    assert names(CENOTE_DISABLE_PLUGINS=word) == ("mean", "other")


def test_deny_wins_over_allow():
    assert names(CENOTE_PLUGINS="late,other", CENOTE_DISABLE_PLUGINS="late") == ("mean", "other")


def test_one_built_in_can_be_switched_off_by_name_but_not_all_by_distribution():
    assert names(CENOTE_DISABLE_PLUGINS="mean") == ("late", "other")
    assert names(CENOTE_DISABLE_PLUGINS="cenote") == ("late", "mean", "other")


def test_a_disabled_plugin_is_never_imported_and_asking_for_it_says_why(make_module):
    make_module("must_not_run", "raise AssertionError('imported')")
    installed = [Entry(GROUP, "a", "must_not_run:A", "cenote-x", "1.0")]
    registry = Registry(installed, environment={"CENOTE_DISABLE_PLUGINS": "cenote-x"})
    with pytest.raises(UnknownPlugin, match=r"of cenote-x 1\.0 is disabled: CENOTE_DISABLE_PLUGINS names it"):
        registry.get(GROUP, "a")
    assert disabled(registry) == [(installed[0], "CENOTE_DISABLE_PLUGINS names it")]


def spec(name: str) -> ArchitectureSpec:
    return ArchitectureSpec(name=name, architectures=("A",), adapter="fake:A", tasks=("embed",))


def test_the_deny_list_takes_spec_names_and_drops_every_name_of_the_spec(make_module, caplog):
    make_module("offered", f"from cenote.registry import ArchitectureSpec\nONE = {spec('one')}\nTWO = {spec('two')}")
    one = [Entry("cenote.architectures", name, "offered:ONE", "cenote", "1") for name in ("A", "B")]
    two = Entry("cenote.architectures", "A", "offered:TWO", "rival", "1")
    registry = Registry([*one, two], environment={"CENOTE_DISABLE_PLUGINS": "one"})
    assert registry.names("cenote.architectures") == ("A",)
    assert registry.get("cenote.architectures", "A").name == "two"
    assert disabled(registry) == [(entry, "CENOTE_DISABLE_PLUGINS names its spec 'one'") for entry in one]
    with pytest.raises(UnknownPlugin, match="names its spec 'one'"):
        registry.get("cenote.architectures", "B")
    assert not caplog.records


def resolve_with(registry: Registry, adapter: str, facts):
    return resolve_adapter(facts, architectures=["A"], model_type=None, adapter=adapter, registry=registry)


def test_asking_for_an_adapter_that_is_disabled_says_so_and_not_that_there_is_none(make_module, make_facts):
    make_module("offered", f"from cenote.registry import ArchitectureSpec\nONE = {spec('one')}\nTWO = {spec('two')}")
    one = Entry("cenote.architectures", "A", "offered:ONE", "first", "1")
    two = Entry("cenote.architectures", "A", "offered:TWO", "second", "2")
    by_spec = Registry([one, two], environment={"CENOTE_DISABLE_PLUGINS": "one"})
    with pytest.raises(
        UnknownPlugin, match=r"'one' of first 1 is disabled: CENOTE_DISABLE_PLUGINS names its spec 'one'"
    ):
        resolve_with(by_spec, "one", make_facts())
    by_distribution = Registry([one, two], environment={"CENOTE_DISABLE_PLUGINS": "First"})
    with pytest.raises(UnknownPlugin, match=r"'first' of first 1 is disabled: CENOTE_DISABLE_PLUGINS names it"):
        resolve_with(by_distribution, "first", make_facts())
    with pytest.raises(UnknownPlugin, match=r"No adapter is called 'one'\. .* Left out and not looked into: first\."):
        resolve_with(by_distribution, "one", make_facts())
    only_two = Registry([one, two], environment={"CENOTE_PLUGINS": "second"})
    with pytest.raises(UnknownPlugin, match="CENOTE_PLUGINS does not name it"):
        resolve_with(only_two, "first", make_facts())


def test_a_spec_that_the_program_registers_is_not_disabled_by_its_name():
    registry = Registry((), environment={"CENOTE_DISABLE_PLUGINS": "own"})
    registry.register("cenote.architectures", "A", spec("own"))
    assert registry.names("cenote.architectures") == ("A",)


def test_specs_are_imported_for_their_names_only_if_a_word_says_nothing_else(make_module):
    make_module("must_not_run", "raise AssertionError('imported')")
    installed = [*INSTALLED, Entry("cenote.architectures", "A", "must_not_run:A", "cenote-x", "1.0")]
    registry = Registry(installed, environment={"CENOTE_DISABLE_PLUGINS": "late,rival"})
    assert registry.names("cenote.architectures") == ("A",)
    blocked = Registry(installed, environment={"CENOTE_DISABLE_PLUGINS": "cenote-x,some-spec"})
    assert blocked.names("cenote.architectures") == ()
    assert [why for _, why in disabled(blocked)] == ["CENOTE_DISABLE_PLUGINS names it"]


@pytest.mark.parametrize("variable", ["CENOTE_PLUGINS", "CENOTE_DISABLE_PLUGINS"])
def test_a_word_that_matches_nothing_is_warned_about_once(variable, caplog):
    registry = Registry(INSTALLED, environment={variable: "late,Cenote_Colbert,typo"})
    for _ in range(3):
        registry.entries("cenote.architectures")
    [record] = caplog.records
    assert record.getMessage().startswith(f"{variable}: nothing installed is called 'typo'.")


def test_tracing_prints_decisions_to_standard_error(capsys):
    variables = {"CENOTE_TRACE_PLUGINS": "1", "CENOTE_DISABLE_PLUGINS": "other"}
    Registry(INSTALLED, environment=variables).get(GROUP, "late")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "'other' of rival 1.0: left out, CENOTE_DISABLE_PLUGINS names it" in printed.err
    assert "'late' of cenote-colbert 0.4.0: importing math:sqrt" in printed.err


def test_without_tracing_nothing_is_printed(capsys):
    Registry(INSTALLED, environment={"CENOTE_TRACE_PLUGINS": "0"}).get(GROUP, "late")
    assert capsys.readouterr() == ("", "")
