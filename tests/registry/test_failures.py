"""Every way in which a plugin can be wrong: what is said of it, and that its neighbours keep working."""

from __future__ import annotations

import logging

import pytest

from cenote.errors import PluginConflict, PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry import GROUPS, Entry, Registry, fingerprint, list_plugins
from cenote.registry.explain import explain
from cenote.registry.operator import check_required
from cenote.registry.patience import PatientLoader
from cenote.registry.resolve import resolve_adapter

COMMANDS = "cenote.commands"
GOOD = Entry(COMMANDS, "good", "math:sqrt", "cenote-good", "2.0")
BUILT_IN = Entry(COMMANDS, "serve", "math:sqrt", "cenote", "0.3.1")
MISSING = (
    "ModuleNotFoundError: No module named 'nowhere_to_be_found'. "
    "Install what offers the module 'nowhere_to_be_found', or reinstall cenote-bad."
)


def bad(name="bad", value="bad_plugin:run", group=COMMANDS, **more) -> Entry:
    return Entry(group, name, value, "cenote-bad", "1.0", **more)


def asked(
    entry: Entry, running: str = "0.3.1", environment=None
) -> tuple[PluginError, dict[str, tuple[str, str, str]]]:
    """Ask for a plugin beside others; return the error and the states, details and reasons of a listing."""
    registry = Registry([entry, GOOD, BUILT_IN], environment=environment or {}, running=running)
    with pytest.raises(PluginError) as caught:
        registry.get(entry.group, entry.name)
    assert (caught.value.plugin, caught.value.distribution) == (entry.name, "cenote-bad")
    assert registry.get(COMMANDS, "good")(9) == 3
    assert registry.get(COMMANDS, "serve")(9) == 3
    rows = list_plugins(registry)
    assert {(row.name, row.state) for row in rows if row.distribution != "cenote-bad"} == {
        ("good", "active"),
        ("serve", "active"),
    }
    return caught.value, {row.name: (row.state, row.detail, row.reason) for row in rows if row.distribution != "cenote"}


@pytest.mark.parametrize(
    ("source", "cause", "reason"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck.", "its import raised RuntimeError"),
        ("raise SystemExit(7)", "SystemExit: 7.", "its import raised SystemExit"),
        ("import nowhere_to_be_found", MISSING, "its import raised ModuleNotFoundError"),
        ("raise BaseException('base')", "BaseException: base.", "its import raised BaseException"),
        ("raise ValueError", "ValueError.", "its import raised ValueError"),
        ("run = 3", "TypeError: expected a typer app or a function, found int.", "its check raised TypeError"),
        (
            "other = 3",
            "ImportError: module 'bad_plugin' has no attribute 'run'.",
            "its import raised ImportError",
        ),
    ],
    ids=[
        "raises",
        "exits",
        "misses a dependency",
        "raises what is no Exception",
        "raises nothing to read",
        "wrong type",
        "no such attribute",
    ],
)
def test_a_module_that_does_not_load_fails_alone(make_module, source, cause, reason):
    make_module("bad_plugin", source)
    error, rows = asked(bad())
    assert str(error) == f"Plugin 'bad' (cenote.commands) of cenote-bad 1.0 is broken: {cause}"
    assert rows["bad"] == ("failed", cause, reason)


@pytest.mark.parametrize("group", [*GROUPS, "vllm.io_processor_plugins"])
def test_a_missing_dependency_is_named_whatever_the_kind_of_plugin(make_module, group):
    make_module("bad_plugin", "import nowhere_to_be_found")
    entry = bad(name="op:cpu" if group == "cenote.kernels" else "bad", group=group)
    error, _ = asked(entry)
    assert str(error) == f"Plugin {entry.name!r} ({group}) of cenote-bad 1.0 is broken: {MISSING}"


def test_a_module_of_hooks_needs_no_attribute(make_module):
    make_module("hooks_plugin", "def cenote_server_started(event): pass")
    entry = bad(name="audit", value="hooks_plugin", group="cenote")
    registry = Registry([entry], environment={})
    assert registry.load(entry).__name__ == "hooks_plugin"
    [row] = list_plugins(registry)
    assert (row.kind, row.state) == ("hooks", "active")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (bad(value="module.only"), "the target 'module.only' is not of the form 'package.module:attribute'"),
        (
            bad(value="not a module", group="cenote"),
            "the target 'not a module' is not of the form 'package.module' or 'package.module:attribute'",
        ),
        (
            bad(name="two words"),
            "the name 'two words' is not allowed in cenote.commands; write lower-case letters, digits, '-' and '_'",
        ),
        (
            bad(name="no_backend", group="cenote.kernels"),
            "the name 'no_backend' is not allowed in cenote.kernels; write 'operator:backend', like 'l2_normalize:cpu'",
        ),
        (
            bad(group="cenote.hooks"),
            f"unknown group 'cenote.hooks'; known groups: {', '.join(GROUPS)}",
        ),
    ],
    ids=["target", "target of hooks", "command name", "kernel name", "group"],
)
def test_a_malformed_entry_is_refused_with_its_reason(entry, problem):
    error, rows = asked(entry)
    assert str(error) == f"Plugin {entry.name!r} ({entry.group}) of cenote-bad 1.0 cannot be used: {problem}."
    assert rows[entry.name] == ("failed", problem, problem)


@pytest.mark.parametrize(
    "group",
    [
        "cenote.commands",
        "cenote.kernels",
        "cenote.media_loaders",
        "cenote.output_codecs",
        "cenote.poolers",
        "cenote.routes",
        "cenote.scorers",
        "cenote.tasks",
    ],
)
def test_a_built_in_keeps_its_name_and_the_rival_fails(make_module, group):
    make_module("bad_plugin", "raise AssertionError('imported')")
    name = "op:cpu" if group == "cenote.kernels" else "taken"
    built_in = Entry(group, name, "math:sqrt", "cenote", "0.3.1")
    registry = Registry([bad(name, group=group), built_in], environment={})
    assert registry.entries(group)[name] == (built_in,)
    assert registry.load(registry.entries(group)[name][0])(9) == 3
    rows = {row.distribution: (row.state, row.detail) for row in list_plugins(registry)}
    assert rows["cenote-bad"] == ("failed", "the name belongs to a built-in, which a plugin may not replace")
    assert rows["cenote"][0] == "active"
    with pytest.raises(
        PluginError, match=r"^Cannot register .* the name belongs to a built-in, which a plugin may not"
    ):
        registry.register(group, name, print)


def test_a_name_of_two_distributions_is_a_conflict_only_for_who_asks():
    rival = Entry(COMMANDS, "bad", "math:floor", "rival", "0.1")
    registry = Registry([bad(value="math:sqrt"), rival, GOOD], environment={})
    assert registry.get(COMMANDS, "good")(9) == 3
    with pytest.raises(PluginConflict) as caught:
        registry.get(COMMANDS, "bad")
    assert str(caught.value) == (
        "Two installed distributions offer cenote.commands 'bad': cenote-bad 1.0 and rival 0.1. "
        "Switch one off: CENOTE_DISABLE_PLUGINS=cenote-bad."
    )
    rows = {(row.name, row.distribution): (row.state, row.detail) for row in list_plugins(registry)}
    assert rows == {
        ("bad", "cenote-bad"): ("failed", "conflict: rival 0.1 offers the same name"),
        ("bad", "rival"): ("failed", "conflict: cenote-bad 1.0 offers the same name"),
        ("good", "cenote-good"): ("active", ""),
    }


def test_hooks_and_convert_rules_of_one_name_are_no_conflict():
    both = [Entry("cenote", "audit", "math:sqrt", name, "1") for name in ("one", "two")]
    assert {row.state for row in list_plugins(Registry(both, environment={}))} == {"discovered"}


@pytest.mark.parametrize(
    ("needs", "text", "reason"),
    [
        (
            ">=0.1,<0.2",
            "cenote-bad 1.0 needs cenote <0.2, found 0.3.1. Upgrade it: pip install -U cenote-bad.",
            "needs cenote <0.2, found 0.3.1",
        ),
        (
            ">=0.4,<0.5",
            "cenote-bad 1.0 needs cenote >=0.4, found 0.3.1. Upgrade cenote: pip install -U cenote.",
            "needs cenote >=0.4, found 0.3.1",
        ),
    ],
    ids=["an older cenote", "a newer cenote"],
)
@pytest.mark.parametrize("group", [COMMANDS, "cenote.architectures", "cenote", "cenote.io_processors"])
def test_metadata_that_demand_another_cenote_keep_the_code_from_being_imported(make_module, group, needs, text, reason):
    make_module("bad_plugin", "raise AssertionError('imported')")
    error, rows = asked(bad(group=group, needs=needs))
    assert isinstance(error, PluginIncompatible)
    assert str(error) == text
    assert rows["bad"] == ("incompatible", text, reason)


def test_a_demand_that_cannot_be_read_fails():
    error, rows = asked(bad(needs=">>1"))
    problem = "its metadata demand a cenote that cannot be compared: '>>1' is no range of versions"
    assert str(error) == f"Plugin 'bad' (cenote.commands) of cenote-bad 1.0 cannot be used: {problem}."
    assert rows["bad"] == ("failed", problem, problem)


def test_a_disabled_plugin_says_who_disabled_it():
    error, rows = asked(bad(), environment={"CENOTE_DISABLE_PLUGINS": "cenote-bad"})
    assert isinstance(error, UnknownPlugin)
    assert str(error) == ("cenote.commands 'bad' of cenote-bad 1.0 is disabled: CENOTE_DISABLE_PLUGINS names it.")
    assert rows["bad"] == ("disabled", "CENOTE_DISABLE_PLUGINS names it", "disabled by the operator")


def test_a_module_that_hangs_is_waited_for_once(make_module):
    make_module("endless", "import threading\nthreading.Event().wait()")
    slow = bad(value="endless:SPEC", group="cenote.architectures")
    registry = Registry([slow, GOOD], environment={})
    for _ in range(2):
        rows = {row.name: (row.state, row.detail, row.reason) for row in list_plugins(registry, patience=0.2)}
        assert rows["bad"] == (
            "failed",
            "importing endless did not end within 0.2 s; see where it waits, or disable it",
            "its import did not end in time",
        )
        assert rows["good"][0] == "discovered"
    assert registry.record.is_importing("endless")


def test_a_broken_plugin_is_warned_about_once(make_module, caplog):
    make_module("bad_plugin", "raise RuntimeError('no luck')")
    registry = Registry([bad()], environment={})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(PluginError):
                registry.get(COMMANDS, "bad")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("source", ["raise KeyboardInterrupt", "raise GeneratorExit"])
def test_a_spec_that_raises_what_ends_programs_fails_alone_in_a_listing(make_module, source):
    make_module("bad_plugin", source)
    registry = Registry([bad(group="cenote.architectures"), GOOD], environment={})
    rows = {row.name: (row.state, row.reason) for row in list_plugins(registry)}
    assert rows == {"bad": ("failed", f"its import raised {source.split()[1]}"), "good": ("discovered", "")}


def test_ctrl_c_of_the_user_ends_a_wait_for_a_plugin(make_module):
    make_module("bad_plugin", "raise KeyboardInterrupt")
    registry = Registry([bad()], environment={})
    with pytest.raises(KeyboardInterrupt):
        registry.get(COMMANDS, "bad")  # imported in the main thread, where the signal arrives


@pytest.mark.parametrize("word", ["no_such_thing", "the-spec"])
@pytest.mark.parametrize("ask", ["list", "explain", "fingerprint", "required", "adapter"])
def test_nobody_waits_for_ever_for_a_hanging_spec(make_module, make_facts, monkeypatch, tmp_path, ask, word):
    monkeypatch.setattr(PatientLoader.__init__, "__defaults__", (0.2,))
    make_module("endless", "import threading\nthreading.Event().wait()")
    slow = bad(value="endless:SPEC", group="cenote.architectures")
    file = tmp_path / "plugins.toml"
    file.write_text('[plugins]\nrequired = ["architectures/bad"]')
    choices = {"CENOTE_PLUGIN_CONFIG": str(file), "CENOTE_DISABLE_PLUGINS": word}
    registry = Registry([slow, GOOD], environment=choices)
    if ask == "list":
        assert {row.name: row.state for row in list_plugins(registry)} == {"bad": "failed", "good": "discovered"}
    elif ask == "explain":
        explained = explain(make_facts(), architectures=["bad"], model_type=None, registry=registry)
        assert explained.chosen is None
        assert [claim.standing for claim in explained.claims] == ["failed"]
    elif ask == "fingerprint":
        assert len(fingerprint(registry)) == 16
    elif ask == "required":
        with pytest.raises(PluginError, match="importing endless did not end"):
            check_required(registry)
    else:
        with pytest.raises(PluginError):
            resolve_adapter(make_facts(), architectures=["bad"], model_type=None, adapter="bad", registry=registry)
    assert registry.record.is_importing("endless")


def test_a_spec_that_hangs_does_not_keep_its_name_from_a_deny_list(make_module, monkeypatch):
    monkeypatch.setattr(PatientLoader.__init__, "__defaults__", (0.05,))
    make_module("endless", "import threading\nthreading.Event().wait()")
    slow = bad(value="endless:SPEC", group="cenote.architectures")
    registry = Registry([slow], environment={"CENOTE_DISABLE_PLUGINS": "perhaps-its-name"})
    assert registry.entries("cenote.architectures") == {}  # it would be allowed under that name, once it ends
    assert [found.reason for found in registry.rejections()] == ["its import did not end in time"]


def test_a_name_that_one_distribution_offers_twice_is_no_conflict_with_itself():
    twice = [bad(value="math:sqrt"), bad(value="math:floor")]
    registry = Registry(twice, environment={})
    with pytest.raises(PluginConflict) as caught:
        registry.get(COMMANDS, "bad")
    assert str(caught.value) == (
        "cenote-bad 1.0 offers cenote.commands 'bad' 2 times. Take all but one of its entry points out."
    )
    assert {row.detail for row in list_plugins(registry)} == {"its distribution offers the name several times"}
