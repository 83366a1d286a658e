"""`cenote plugins check`: what the metadata of a distribution says."""

from __future__ import annotations

import pytest

from cenote import __version__
from cenote.authoring.installed import read_installed
from cenote.errors import UnknownPlugin

COMMANDS, POOLERS = "cenote.commands", "cenote.poolers"
GOOD = {"good": "def run() -> None:\n    pass"}


def test_a_good_plugin_passes_every_check(site):
    site.install("cenote-good", {COMMANDS: {"greet": "good:run"}}, GOOD)
    found = [(item.subject, item.check, item.outcome, item.text) for item in site.check("cenote-good")]
    assert found == [
        ("", "metadata", "passed", "version 0.1.0"),
        ("", "requirement", "passed", "it allows this cenote"),
        ("commands/greet", "entry point", "passed", "good:run"),
        ("commands/greet", "name", "passed", "nobody else has it"),
        ("commands/greet", "import", "passed", "good:run"),
        ("commands/greet", "interface", "passed", "it is a typer app or a function"),
    ]


@pytest.mark.parametrize(
    ("requires", "text"),
    [
        ("", "it does not say which cenote it is written for"),
        ("cenote", "it does not say which cenote it is written for"),
        ("cenote<0.1", f"it needs cenote <0.1, found {__version__}"),
        ("cenote>=7", f"it needs cenote >=7, found {__version__}"),
    ],
)
def test_a_requirement_that_excludes_this_cenote_is_told(site, requires, text):
    site.install("cenote-old", {COMMANDS: {"greet": "good:run"}}, GOOD, requires=requires)
    advice = '. Write "cenote>=0.1,<0.2" into dependencies of pyproject.toml'
    assert site.faults_of_metadata("cenote-old") == [("", "requirement", text + advice)]


@pytest.mark.parametrize(
    ("group", "near"), [("cenote.architecture", "cenote.architectures"), ("cenote_poolers", "cenote.poolers")]
)
def test_a_misspelt_group_is_told_with_the_nearest_one(site, group, near):
    site.install("cenote-bad", {group: {"acme": "good:run"}}, GOOD)
    text = f"there is no group {group!r}; the nearest one is {near!r}"
    assert site.faults("cenote-bad") == [(f"{group.removeprefix('cenote.')}/acme", "entry point", text)]


def test_a_malformed_entry_point_is_told_and_not_imported(site):
    site.install("cenote-bad", {COMMANDS: {"Greet": "good:run", "greet": "good"}}, {"good": "raise AssertionError"})
    first, second = site.faults("cenote-bad")
    assert first[:2] == ("commands/Greet", "entry point")
    assert "write lower-case letters" in first[2]
    text = "the target 'good' is not of the form 'package.module:attribute'"
    assert second == ("commands/greet", "entry point", text)


def test_names_that_others_have_are_told(site):
    site.install(
        "cenote-one", {COMMANDS: {"serve": "good:run"}, POOLERS: {"MEAN": "good:run", "MINE": "good:run"}}, GOOD
    )
    site.install("cenote-two", {POOLERS: {"MINE": "good:run"}})
    faults = [fault for fault in site.faults_of_metadata("cenote-one") if fault[1] == "name"]
    assert faults == [
        (
            "commands/serve",
            "name",
            "the name belongs to a built-in, which a plugin may not replace; choose another one",
        ),
        ("poolers/MEAN", "name", "cenote offers the same name; choose another one"),
        ("poolers/MINE", "name", "cenote-two offers the same name; choose another one"),
    ]


def test_a_package_without_types_is_told(site):
    site.install("cenote-bare", {COMMANDS: {"greet": "bare.command:run"}}, {"bare.command": GOOD["good"]})
    (site.folder / "bare" / "__init__.py").touch()
    text = "type checkers ignore bare: add an empty file py.typed to it, and to package-data"
    assert site.faults_of_metadata("cenote-bare") == [("", "types", text)]
    (site.folder / "bare" / "py.typed").touch()
    assert site.faults_of_metadata("cenote-bare") == []


def test_stale_metadata_of_an_editable_installation_is_told(site, tmp_path):
    site.install("cenote-edit", {COMMANDS: {"greet": "good:run"}}, GOOD)
    origin = f'{{"dir_info": {{"editable": true}}, "url": "{tmp_path.as_uri()}"}}'
    (site.folder / "cenote_edit-0.1.0.dist-info" / "direct_url.json").write_text(origin)
    project = tmp_path / "pyproject.toml"
    project.write_text('[project.entry-points."cenote.commands"]\nbye = "good:run"\ngreet = "good:run"\n')
    text = f"pyproject.toml has other entry points (cenote.commands bye); run pip install -e {tmp_path} again"
    assert site.faults_of_metadata("cenote-edit") == [("", "installation", text)]
    project.write_text('[project.entry-points."cenote.commands"]\ngreet = "good:run"\n')
    assert site.faults_of_metadata("cenote-edit") == []
    project.write_text('[tool.poetry.plugins."cenote.commands"]\ngreet = "good:run"\n')
    assert site.faults_of_metadata("cenote-edit") == []
    project.write_text("[")
    ((_, check, text),) = site.faults_of_metadata("cenote-edit")
    assert check == "installation"
    assert text.startswith("pyproject.toml of the editable installation cannot be read: ")


def test_a_distribution_that_offers_nothing_is_told(site):
    site.install("cenote-empty", {})
    ((subject, check, text),) = site.faults("cenote-empty")
    assert (subject, check) == ("", "metadata")
    assert text.startswith("it offers nothing to cenote. Add entry points of one of the groups cenote.architectures, ")


def test_metadata_that_cannot_be_read_is_told(site):
    site.install("cenote-torn", {COMMANDS: {"greet": "good:run"}}, GOOD)
    (site.folder / "cenote_torn-0.1.0.dist-info" / "METADATA").write_text("Name: cenote-torn\n")
    text = "it cannot be read: cenote_torn-0.1.0.dist-info names no version. Install the distribution again"
    assert site.faults_of_metadata("cenote-torn") == [("", "metadata", text)]


def test_an_unknown_distribution_is_an_error_that_names_near_ones(site):
    site.install("cenote-good", {COMMANDS: {"greet": "good:run"}}, GOOD)
    with pytest.raises(UnknownPlugin, match=r"No distribution 'cenote-goo' is installed. Those .* cenote-good"):
        site.check("cenote-goo")


def test_all_plugins_are_meant_where_none_is_named_but_not_cenote_itself(site):
    site.install("cenote-good", {COMMANDS: {"greet": "good:run"}}, GOOD)
    names = {found.name for found in read_installed()}
    assert "cenote-good" in names
    assert "cenote" not in names
    assert "pytest" not in names


def test_a_name_that_is_offered_twice_is_told(site):
    site.install("cenote-twice", {"cenote.commands": {"aa": "one:run\naa = one:walk"}}, {"one": "run = walk = print"})
    assert ("commands/aa", "name") in [
        (subject, check) for subject, check, _ in site.faults_of_metadata("cenote-twice")
    ]
