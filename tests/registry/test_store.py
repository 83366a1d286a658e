"""Names, loading, registration and failures."""

from __future__ import annotations

import logging

import pytest

from cenote.errors import PluginConflict, PluginError, UnknownPlugin
from cenote.registry import Entry, Registry, load_object

#: The group whose check costs least: anything that can be called will do.
COMMANDS = "cenote.commands"


def entry(name, value="math:sqrt", distribution="cenote-good", version="1.0", group=COMMANDS):
    return Entry(group, name, value, distribution, version)


def test_names_are_sorted_and_the_mapping_is_read_only():
    registry = Registry([entry("b"), entry("a")], environment={})
    assert registry.names(COMMANDS) == ("a", "b")
    with pytest.raises(TypeError):
        registry.entries(COMMANDS)["c"] = ()


def test_an_unknown_name_lists_the_nearest_three_and_a_count():
    registry = Registry([entry(name) for name in ("mean", "median", "max", "last", "first")], environment={})
    with pytest.raises(UnknownPlugin, match=r"No cenote\.commands 'meam'\. Installed: mean, .*nearest of 5") as caught:
        registry.get(COMMANDS, "meam")
    assert caught.value.plugin == "meam"


def test_two_distributions_with_one_name_are_a_conflict_that_names_both():
    registry = Registry([entry("mean"), entry("mean", distribution="rival", version="0.1")], environment={})
    with pytest.raises(PluginConflict) as caught:
        registry.get(COMMANDS, "mean")
    assert str(caught.value) == (
        "Two installed distributions offer cenote.commands 'mean': cenote-good 1.0 and rival 0.1. "
        "Switch one off: CENOTE_DISABLE_PLUGINS=cenote-good."
    )


def test_switching_one_off_ends_the_conflict():
    rivals = [entry("mean"), entry("mean", distribution="rival", value="math:floor")]
    registry = Registry(rivals, environment={"CENOTE_DISABLE_PLUGINS": "cenote_Good"})
    assert registry.get(COMMANDS, "mean")(1.5) == 1


def test_a_broken_plugin_is_one_warning_and_raises_each_time_it_is_asked_for(caplog, make_module):
    make_module("broken_plugin", "raise RuntimeError('no luck')")
    both = [entry("a", "broken_plugin:A", "cenote-broken"), entry("b", "broken_plugin:B", "cenote-broken")]
    registry = Registry(both, environment={})
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b", "a"):
            with pytest.raises(PluginError, match="no luck") as caught:
                registry.get(COMMANDS, name)
            assert caught.value.plugin == name
            assert caught.value.distribution == "cenote-broken"
            assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(caplog.records) == 1
    for word in ("'a'", "cenote-broken 1.0", "RuntimeError: no luck"):
        assert word in caplog.text


def test_a_module_that_ends_the_process_is_a_broken_plugin(make_module):
    make_module("leaving_plugin", "raise SystemExit(3)")
    registry = Registry([entry("a", "leaving_plugin:A")], environment={})
    with pytest.raises(PluginError, match="SystemExit: 3"):
        registry.get(COMMANDS, "a")


def test_a_missing_dependency_is_named(make_module):
    make_module("needy_plugin", "import no_such_module_anywhere")
    registry = Registry([entry("a", "needy_plugin:A")], environment={})
    with pytest.raises(PluginError, match="Install what offers the module 'no_such_module_anywhere'"):
        registry.get(COMMANDS, "a")


@pytest.mark.parametrize(
    ("group", "name", "value", "message"),
    [
        ("cenote.nothing", "a", "m:a", "unknown group"),
        (COMMANDS, "two words", "m:a", "'two words' is not allowed"),
        ("cenote.kernels", "no_backend", "m:a", "operator:backend"),
        ("cenote.commands", "--help", "m:a", "lower-case"),
        (COMMANDS, "a", "module.only", "package.module:attribute"),
    ],
)
def test_malformed_names_and_targets_are_refused_with_their_reason(group, name, value, message):
    with pytest.raises(PluginError, match=message):
        Registry([], environment={}).register(group, name, value)
    with pytest.raises(PluginError, match=message):
        Registry([entry(name, value, group=group)], environment={}).get(group, name)


def test_an_object_can_be_registered_and_taken_back():
    registry = Registry([], environment={})
    take_back = registry.register(COMMANDS, "mine", print)
    assert registry.get(COMMANDS, "mine") is print
    take_back()
    take_back()
    with pytest.raises(UnknownPlugin):
        registry.get(COMMANDS, "mine")


def test_a_path_can_be_registered_and_is_imported_when_asked_for(make_module):
    make_module("late_plugin", "def value(): return 7")
    registry = Registry([], environment={})
    registry.register(COMMANDS, "late", "late_plugin:value", distribution="app", version="3")
    assert registry.entries(COMMANDS)["late"] == (Entry(COMMANDS, "late", "late_plugin:value", "app", "3"),)
    assert registry.get(COMMANDS, "late")() == 7


def test_two_objects_of_one_name_do_not_hide_each_other():
    registry = Registry([], environment={})
    take_back = registry.register(COMMANDS, "mine", print)
    registry.register(COMMANDS, "mine", repr)
    with pytest.raises(PluginConflict):
        registry.get(COMMANDS, "mine")
    take_back()
    assert registry.get(COMMANDS, "mine") is repr


def test_refresh_reads_the_environment_again_and_keeps_registrations(make_module):
    environment = {"CENOTE_DISABLE_PLUGINS": "root"}
    registry = Registry([entry("root")], environment=environment)
    registry.register(COMMANDS, "mine", print)
    assert registry.names(COMMANDS) == ("mine",)
    environment.clear()
    registry.refresh()
    assert registry.names(COMMANDS) == ("mine", "root")


def test_refresh_gives_a_repaired_plugin_another_chance(make_module):
    make_module("mended_plugin", "raise RuntimeError")
    registry = Registry([entry("a", "mended_plugin:A")], environment={})
    with pytest.raises(PluginError):
        registry.get(COMMANDS, "a")
    make_module("mended_plugin", "def A(): return 'works now, and the file has another size'")
    registry.refresh()
    assert registry.get(COMMANDS, "a")().startswith("works")


@pytest.mark.parametrize("target", ["math", "math:", ":sqrt", ""])
def test_a_target_needs_module_and_attribute(target):
    with pytest.raises(ValueError, match=r"package\.module:attribute"):
        load_object(target)


def test_a_missing_attribute_is_an_import_error_that_names_it():
    with pytest.raises(ImportError, match="'math' has no attribute 'nothing'"):
        load_object("math:nothing")
