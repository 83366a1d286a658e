"""Specs of distributions that need another cenote: known, never imported, and never silently replaced."""

from __future__ import annotations

import logging

import pytest

from cenote.errors import PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry import ArchitectureSpec, Entry, Registry, list_plugins, load_adapter, patience, resolve_adapter
from cenote.registry.candidates import check_spec
from cenote.registry.patience import PatientLoader

GROUP = "cenote.architectures"
TEXT = "cenote-late 0.4.0 needs cenote <0.2, found 0.3.1. Upgrade it: pip install -U cenote-late."


@pytest.fixture
def old(make_module) -> Entry:
    make_module("late_plugin", "raise AssertionError('imported')")
    return Entry(GROUP, "HF_ColBERT", "late_plugin:SPEC", "cenote-late", "0.4.0", "<0.2")


def resolved(registry: Registry, facts, name: str = "HF_ColBERT", **more):
    return resolve_adapter(facts, architectures=[name], model_type=None, registry=registry, **more)


def test_an_architecture_that_only_an_incompatible_plugin_offers_says_what_to_upgrade(old, make_facts):
    with pytest.raises(PluginIncompatible) as caught:
        resolved(Registry([old], environment={}, running="0.3.1"), make_facts())
    assert str(caught.value) == TEXT


def test_asking_for_an_incompatible_adapter_says_what_to_upgrade(old, make_facts):
    registry = Registry([old], environment={}, running="0.3.1")
    for adapter in ("cenote-late", "HF_ColBERT"):
        with pytest.raises(PluginIncompatible) as caught:
            resolved(registry, make_facts(), adapter=adapter)
        assert str(caught.value) == TEXT
    with pytest.raises(UnknownPlugin, match=r"Left out and not looked into: cenote-late\."):
        resolved(registry, make_facts(), adapter="something")


def test_another_plugin_for_the_same_architecture_is_taken_with_one_warning(old, make_facts, caplog):
    registry = Registry([old], environment={}, running="0.3.1")
    spec = ArchitectureSpec(name="mine", architectures=("HF_ColBERT",), adapter="fake:A", tasks=("token_embed",))
    registry.register(GROUP, "HF_ColBERT", spec)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert resolved(registry, make_facts()).spec is spec
    assert [record.getMessage() for record in caplog.records] == [TEXT]


def test_a_spec_is_active_once_its_adapter_is_imported_and_failed_if_that_raises(make_module, make_facts):
    source = "from cenote.registry import ArchitectureSpec as A\n"
    for name in ("good", "bad"):
        source += f"{name} = A(name='{name}', architectures=('{name}',), adapter='{name}_code:Run', tasks=('embed',))\n"
    make_module("specs", source)
    make_module("good_code", "class Run:\n    @classmethod\n    def load(cls, checkpoint, options): pass")
    make_module("bad_code", "import nowhere_to_be_found")
    entries = [Entry(GROUP, name, f"specs:{name}", "cenote-x", "1") for name in ("good", "bad")]
    registry = Registry(entries, environment={})
    assert {row.name: row.state for row in list_plugins(registry)} == {"good": "discovered", "bad": "discovered"}
    load_adapter(resolved(registry, make_facts(), "good"), registry)
    with pytest.raises(Exception, match="nowhere_to_be_found"):
        load_adapter(resolved(registry, make_facts(), "bad"), registry)
    assert {row.name: (row.state, row.reason) for row in list_plugins(registry)} == {
        "good": ("active", ""),
        "bad": ("failed", "its import raised ModuleNotFoundError"),
    }


def test_a_plugin_that_hangs_does_not_keep_another_from_loading_its_model(make_module, make_facts, monkeypatch, caplog):
    monkeypatch.setattr(PatientLoader.__init__, "__defaults__", (0.2,))
    make_module("endless", "import threading\nthreading.Event().wait()")
    spec = ArchitectureSpec(name="mine", architectures=("Late",), adapter="fake:A", tasks=("token_embed",))
    entries = [
        Entry(GROUP, "Late", "endless:SPEC", "cenote-slow", "1"),
        Entry("cenote.convert_rules", "rules", "endless:RULES", "cenote-slow", "1"),
    ]
    registry = Registry(entries, environment={})
    registry.register(GROUP, "Late", spec)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert resolved(registry, make_facts(), "Late").spec is spec
    assert [record.getMessage() for record in caplog.records] == [
        "Plugin 'Late' (cenote.architectures) of cenote-slow 1 is passed over: "
        "importing endless did not end within 0.2 s; see where it waits, or disable it."
    ]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "evil\x1b[31m", r"name of spec 'evil\\x1b\[31m' has characters that no terminal may get"),
        ("name", "two\nlines", "characters that no terminal may get"),
        ("summary", "up\x1b[2A", "summary of spec 'mine' has characters that no terminal may get"),
        ("name", 5, "name of spec 5 must be a string, not int"),
        ("adapter", 7, "adapter of spec 'mine' must be a string, not int"),
    ],
)
def test_what_a_terminal_must_not_get_is_no_spec(field, value, text):
    given = {"name": "mine", "architectures": ("Mine",), "adapter": "mine:A", "tasks": ("embed",), field: value}
    with pytest.raises((TypeError, ValueError), match=text):
        check_spec(ArchitectureSpec(**given))


def test_the_log_says_which_plugin_is_waited_for(make_module, monkeypatch, caplog):
    monkeypatch.setattr(patience, "_NOTICE", 0.05)
    make_module("endless", "import threading\nthreading.Event().wait()")
    registry = Registry([Entry(GROUP, "Late", "endless:SPEC", "cenote-slow", "1")], environment={})
    with caplog.at_level(logging.WARNING), pytest.raises(PluginError):
        PatientLoader(registry, 0.2).load(registry.entries(GROUP)["Late"][0], check_spec)
    told = "Plugin 'Late' (cenote.architectures) of cenote-slow 1 is still importing endless; it is given up in 0 s."
    assert caplog.records[0].getMessage() == told
