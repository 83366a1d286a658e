"""The operator's lists from every source, the file of plugins, and plugins that are required."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cenote.errors import InvalidRequest, PluginConflict, PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry import Entry, Registry, check_required, plugin_settings

GROUP = "cenote.commands"
BUILT_IN = Entry(GROUP, "mean", "math:sqrt", "cenote", "0.1.0")
LATE = Entry(GROUP, "late", "math:sqrt", "cenote-colbert", "0.4.0")
OTHER = Entry(GROUP, "other", "math:sqrt", "rival", "1.0")
PAGES = Entry("cenote.io_processors", "pages", "math:sqrt", "rival", "1.0")
HOOKS = Entry("cenote", "audit", "math", "rival", "1.0")
FOREIGN = Entry("vllm.io_processor_plugins", "prithvi", "math:sqrt", "terratorch", "1.0")
INSTALLED = [BUILT_IN, LATE, OTHER, PAGES, HOOKS, FOREIGN]


def taking_part(environment=None, **flags: str) -> set[str]:
    registry = Registry(INSTALLED, environment=environment or {})
    registry.restrict(**flags)
    return {entry.name for entry in registry.taking_part()}


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "plugins.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("", {"mean"}),
        ("late", {"mean", "late"}),
        ("Cenote_Colbert", {"mean", "late"}),
        ("commands/late", {"mean", "late"}),
        ("commands/*", {"mean", "late", "other"}),
        ("io_processors/*,hooks/audit", {"mean", "pages", "audit"}),
        ("hooks/*", {"mean", "audit"}),
        ("rival", {"mean", "other", "pages", "audit"}),
        ("vllm.io_processor_plugins/*", {"mean", "prithvi"}),
        ("io_processors/late", {"mean"}),
    ],
)
def test_words_of_an_allow_list(words, kept):
    assert taking_part(plugins=words) == kept


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("", set()),
        ("commands/*", {"late", "other"}),
        ("rival,late", {"late", "other", "pages", "audit"}),
        ("commands/mean", {"mean"}),
        ("cenote", set()),
        ("hooks/*, io_processors/pages", {"audit", "pages"}),
    ],
)
def test_words_of_a_deny_list(words, left_out):
    assert {entry.name for entry in INSTALLED} - taking_part(disable_plugins=words) == left_out


def test_a_plugin_takes_part_if_every_allow_list_names_it_and_no_deny_list_does(write):
    path = write('[plugins]\nallow = ["rival", "late"]\ndeny = ["audit"]\n')
    variables = {"CENOTE_PLUGINS": "rival,late", "CENOTE_DISABLE_PLUGINS": "pages", "CENOTE_PLUGIN_CONFIG": path}
    assert taking_part() == {"mean", "late", "other", "pages", "audit", "prithvi"}
    assert taking_part(variables) == {"mean", "late", "other"}
    assert taking_part(variables, plugins="other,audit,prithvi") == {"mean", "other"}
    assert taking_part(variables, disable_plugins="other") == {"mean", "late"}


@pytest.mark.parametrize(
    ("name", "variables", "flags", "why"),
    [
        ("late", {"CENOTE_PLUGINS": "other"}, {}, "CENOTE_PLUGINS does not name it"),
        ("late", {"CENOTE_PLUGINS": ""}, {}, "CENOTE_PLUGINS does not name it"),
        ("late", {"CENOTE_DISABLE_PLUGINS": "late"}, {}, "CENOTE_DISABLE_PLUGINS names it"),
        ("late", {}, {"plugins": ""}, "--plugins does not name it"),
        ("late", {}, {"disable_plugins": "commands/late"}, "--disable-plugins names it"),
        ("late", {}, {"plugin_config": "[plugins]\nallow = []"}, "'allow' in plugins.toml does not name it"),
        ("late", {}, {"plugin_config": "[plugins]\ndeny = ['commands/*']"}, "'deny' in plugins.toml names it"),
        ("mean", {}, {"disable_plugins": "mean"}, "--disable-plugins names it"),
    ],
)
def test_whoever_asks_for_a_disabled_plugin_reads_which_list_keeps_it_out(write, name, variables, flags, why):
    if "plugin_config" in flags:
        flags = {"plugin_config": write(flags["plugin_config"])}
    registry = Registry(INSTALLED, environment=variables)
    registry.restrict(**flags)
    with pytest.raises(UnknownPlugin) as caught:
        registry.get(GROUP, name)
    source = "cenote 0.1.0" if name == "mean" else "cenote-colbert 0.4.0"
    assert str(caught.value) == f"cenote.commands {name!r} of {source} is disabled: {why}."


def test_words_that_name_nothing_are_warned_about_with_their_source_once(caplog):
    registry = Registry(INSTALLED, environment={"CENOTE_PLUGINS": "late,routes/*,routes/debug"})
    registry.restrict(disable_plugins="typo")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            registry.entries("cenote.architectures")
    assert [record.getMessage() for record in caplog.records] == [
        "CENOTE_PLUGINS: nothing installed is called 'routes/debug'. "
        "Names of entry points and of distributions count; see 'cenote plugins'.",
        "--disable-plugins: nothing installed is called 'typo'. "
        "Names of entry points, of distributions and of specs count; see 'cenote plugins'.",
    ]


def test_the_file_of_the_flag_is_read_in_place_of_the_variables(write, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text('[plugins]\ndeny = ["late"]\n')
    variables = {"CENOTE_PLUGIN_CONFIG": write('[plugins]\ndeny = ["pages"]\n')}
    everything = {entry.name for entry in INSTALLED}
    assert taking_part(variables) == everything - {"pages"}
    assert taking_part(variables, plugin_config=str(other)) == everything - {"late"}
    assert taking_part(variables, plugin_config="") == everything


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plugins = 3", "plugins must be a table, not 3."),
        ("[plugin]", "unknown key 'plugin'. Did you mean 'plugins'?"),
        ("[plugins]\nalow = []", "unknown key 'plugins.alow'. Did you mean 'allow'?"),
        ("[plugins]\nx = []", "unknown key 'plugins.x'. Known: allow, deny, required."),
        ("[plugins]\nallow = 'late'", "plugins.allow must be a list of strings, not 'late'."),
        ("[plugins]\ndeny = [3]", "plugins.deny must be a list of strings, not [3]."),
        (
            "[settings.pages]\nx = 1",
            "unknown settings 'pages'; write [settings.\"GROUP/NAME\"]. Known: architectures, convert_rules, poolers, "
            "tasks, scorers, output_codecs, media_loaders, kernels, io_processors, commands, routes, hooks, "
            "vllm.io_processor_plugins.",
        ),
        (
            '[settings."io_processor/pages"]',
            "unknown settings 'io_processor/pages'; write [settings.\"GROUP/NAME\"]. Did you mean 'io_processors'?",
        ),
        ('[settings]\n"routes/x" = 3', 'settings."routes/x" must be a table, not 3.'),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(write, text, problem):
    path = write(text)
    with pytest.raises(InvalidRequest) as caught:
        Registry([], environment={}).restrict(plugin_config=path)
    assert str(caught.value) == f"--plugin-config {path!r}: {problem}"


def test_a_file_that_is_missing_or_no_toml_is_refused_and_its_source_named(write, tmp_path):
    for environment, source in (({"CENOTE_PLUGIN_CONFIG": "/no/such.toml"}, "CENOTE_PLUGIN_CONFIG"),):
        with pytest.raises(InvalidRequest) as caught:
            Registry([], environment=environment).names(GROUP)
        assert str(caught.value) == f"{source} '/no/such.toml': there is no such file."
        assert caught.value.param == source
    with pytest.raises(InvalidRequest, match="is no TOML: "):
        Registry([], environment={}).restrict(plugin_config=write("[plugins"))
    with pytest.raises(InvalidRequest, match="cannot be read: Is a directory"):
        Registry([], environment={}).restrict(plugin_config=str(tmp_path))


def test_settings_of_a_plugin_are_read_only_and_empty_where_the_file_says_nothing(write):
    registry = Registry([], environment={})
    assert plugin_settings("io_processors/pages", registry) == {}
    registry.restrict(plugin_config=write('[settings."io_processors/pages"]\nmax_pages = 100\n'))
    settings = plugin_settings("io_processors/pages", registry)
    assert settings == {"max_pages": 100}
    with pytest.raises(TypeError):
        settings["max_pages"] = 5
    assert plugin_settings("routes/pages", registry) == {}


def required(write, words: str, *entries: Entry, lists: str = "", running: str = "0.3.1") -> Registry:
    registry = Registry([*INSTALLED, *entries], environment={}, running=running)
    registry.restrict(plugin_config=write(f"[plugins]\nrequired = {words}\n{lists}"))
    return registry


def test_what_works_satisfies_those_who_require_it(write, make_module):
    source = "from cenote.hooks import hookimpl\n@hookimpl\ndef cenote_server_stopping(event): pass"
    make_module("hooks_plugin", source)
    hooks = Entry("cenote", "stop", "hooks_plugin", "cenote-stop", "1")
    check_required(required(write, '["late", "commands/other", "commands/*", "cenote-stop"]', hooks))
    check_required(Registry(INSTALLED, environment={}))


@pytest.mark.parametrize(
    ("words", "lists", "kind", "text"),
    [
        ("['nothing']", "", UnknownPlugin, "nothing installed is called so. Install it, or take the word out."),
        (
            "['late']",
            "deny = ['late']",
            UnknownPlugin,
            "cenote.commands 'late' of cenote-colbert 0.4.0 is disabled: 'deny' in plugins.toml names it.",
        ),
        (
            "['old']",
            "",
            PluginIncompatible,
            "cenote-old 1 needs cenote <0.2, found 0.3.1. Upgrade it: pip install -U cenote-old.",
        ),
        (
            "['broken']",
            "",
            PluginError,
            "Plugin 'broken' (cenote.commands) of cenote-broken 1 is broken: RuntimeError: no luck.",
        ),
        (
            "['twice']",
            "",
            PluginConflict,
            "Two installed distributions offer cenote.commands 'twice': a 1 and b 1. "
            "Switch one off: --disable-plugins a.",
        ),
        (
            "['mean']",
            "",
            PluginError,
            "Plugin 'mean' (cenote.commands) of thief 1 cannot be used: "
            "the name belongs to a built-in, which a plugin may not replace.",
        ),
        (
            "['number']",
            "",
            PluginError,
            "Plugin 'number' (cenote.commands) of cenote-number 1 is broken: "
            "TypeError: expected a typer app or a function, found float.",
        ),
    ],
    ids=["missing", "disabled", "incompatible", "failed", "conflict", "taken", "wrong type"],
)
def test_a_required_plugin_that_does_not_work_is_an_error(write, make_module, words, lists, kind, text):
    make_module("broken_plugin", "raise RuntimeError('no luck')")
    more = [
        Entry(GROUP, "old", "math:sqrt", "cenote-old", "1", "<0.2"),
        Entry(GROUP, "broken", "broken_plugin:run", "cenote-broken", "1"),
        Entry(GROUP, "twice", "math:sqrt", "a", "1"),
        Entry(GROUP, "twice", "math:sqrt", "b", "1"),
        Entry(GROUP, "mean", "math:sqrt", "thief", "1"),
        Entry(GROUP, "number", "math:pi", "cenote-number", "1"),
    ]
    with pytest.raises(kind) as caught:
        check_required(required(write, words, *more, lists=lists))
    assert type(caught.value) is kind
    assert str(caught.value) == f"{words[2:-2]!r} is required by plugins.toml: {text}"


def test_settings_for_what_is_not_installed_end_the_start(tmp_path):
    file = tmp_path / "plugins.toml"
    entries = [Entry("cenote.io_processors", "acme-io-processor", "acme:P", "cenote-acme", "1")]
    choices = {"CENOTE_PLUGIN_CONFIG": str(file)}
    for name in ("io_processors/acme-io-processr", "routes/none"):
        file.write_text(f'[settings."{name}"]\npages = 1')
        with pytest.raises(InvalidRequest, match=f"plugins.toml has settings for '{name}', but nothing installed is"):
            check_required(Registry(entries, environment=choices))
    file.write_text('[settings."io_processors/acme-io-processor"]\npages = 1')
    check_required(Registry(entries, environment=choices))
    check_required(Registry(entries, environment={**choices, "CENOTE_DISABLE_PLUGINS": "cenote-acme"}))


def test_switching_cenote_off_is_warned_about(caplog):
    with caplog.at_level(logging.WARNING):
        assert "mean" in taking_part(disable_plugins="Cenote")
    assert caplog.records[0].getMessage() == (
        "--disable-plugins: cenote cannot be switched off as a whole; name what shall not take part."
    )
