"""What is read of installed distributions, and the fingerprint of those that take part."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlib_metadata import Distribution

from cenote.registry import Entry, Registry, fingerprint
from cenote.registry.scan import entries_of, installed_entries

METADATA = "Metadata-Version: 2.1\nName: cenote-x\nVersion: 2.0\nRequires-Dist: cenote<0.2,>=0.1\n"
POINTS = "[console_scripts]\nx = x:main\n[cenote.poolers]\nmean = pkg.mod:attr [fast]\n[cenote]\nx = x.hooks\n"
RECORD = (
    "cenote_x/__init__.py,sha256=abc,1\ncenote_x/__pycache__/__init__.cpython-311.pyc,,\n"
    "cenote_x-2.0.dist-info/METADATA,sha256=def,1\ncenote_x-2.0.dist-info/RECORD,,\n"
)


@pytest.fixture
def install(tmp_path: Path):
    def install(**files: str) -> Distribution:
        folder = tmp_path / "cenote_x-2.0.dist-info"
        folder.mkdir(exist_ok=True)
        for name, text in {"entry_points.txt": POINTS, **files}.items():
            (folder / name).write_text(text)
        return Distribution.at(folder)

    return install


def test_entry_points_become_entries_without_their_extras(install):
    found = entries_of(install(METADATA=METADATA))
    assert found == (
        Entry("cenote.poolers", "mean", "pkg.mod:attr", "cenote-x", "2.0"),
        Entry("cenote", "x", "x.hooks", "cenote-x", "2.0"),
    )
    assert {entry.needs for entry in found} == {"<0.2,>=0.1"}


def test_a_distribution_without_metadata_is_still_usable(install):
    assert {(entry.distribution, entry.version) for entry in entries_of(install())} == {("unknown", "")}


def test_metadata_that_cannot_be_read_leave_the_entry_points(install):
    distribution = install()
    Path(str(distribution.locate_file("cenote_x-2.0.dist-info/METADATA"))).write_bytes(b"Name: \xff\xfe\n")
    assert {entry.distribution for entry in entries_of(distribution)} == {"unknown"}


@pytest.mark.parametrize("text", ["", "[console_scripts]\nx = x:main\n", "[cenotes.poolers]\nx = x:main\n"])
def test_other_groups_are_nobodys_business(install, text):
    assert entries_of(install(**{"METADATA": METADATA, "entry_points.txt": text})) == ()


def test_processors_of_vllm_are_found(install):
    text = "[vllm.io_processor_plugins]\nprithvi = terratorch:register\n[vllm.general_plugins]\nx = x:y\n"
    [entry] = entries_of(install(**{"METADATA": METADATA, "entry_points.txt": text}))
    assert (entry.group, entry.name) == ("vllm.io_processor_plugins", "prithvi")


def test_the_built_ins_of_this_installation_are_found_once():
    rules = [found for found in installed_entries() if found.group == "cenote.convert_rules"]
    assert [(found.name, found.distribution) for found in rules] == [("suffixes", "cenote")]


def marked(*entries: Entry, environment=None) -> str:
    return fingerprint(Registry(entries, environment=environment or {}, running="0.3.1"))


def entry(name="late", distribution="cenote-x", version="2.0", record=RECORD, needs="") -> Entry:
    return Entry("cenote.commands", name, "math:sqrt", distribution, version, needs, record)


def test_the_fingerprint_is_that_of_what_takes_part_and_not_of_its_order():
    one, two = entry(), entry("other", "rival")
    assert len(marked(one)) == 16
    assert marked(one, two) == marked(two, one)
    assert marked(one) != marked(one, two)


def test_the_fingerprint_changes_when_one_plugin_of_several_is_disabled():
    both = [entry(), entry("more")]
    assert marked(*both, environment={"CENOTE_DISABLE_PLUGINS": "more"}) == marked(entry()) != marked(*both)


@pytest.mark.parametrize(
    "changed", [entry(version="2.1"), entry(distribution="cenote-y"), entry(record=RECORD.replace("abc", "abd"))]
)
def test_the_fingerprint_changes_with_name_version_and_files(changed):
    assert marked(changed) != marked(entry())


def test_the_fingerprint_is_equal_in_two_installations_of_one_wheel():
    installed = RECORD.replace("311", "312") + (
        "../../../bin/x,sha256=xyz,9\ncenote_x-2.0.dist-info/INSTALLER,sha256=uv,2\n"
        "cenote_x-2.0.dist-info/REQUESTED,sha256=,0\ncenote_x-2.0.dist-info/direct_url.json,sha256=url,3\n"
    )
    assert marked(entry(record=installed)) == marked(entry())


def test_what_does_not_take_part_does_not_count():
    rival = entry("other", "rival")
    assert marked(entry(), rival, environment={"CENOTE_DISABLE_PLUGINS": "rival"}) == marked(entry())
    assert marked(entry(), entry("other", "rival", needs="<0.2")) == marked(entry())
    registry = Registry([entry()], environment={}, running="0.3.1")
    registry.register("cenote.commands", "mine", print)
    assert fingerprint(registry) == marked(entry())
