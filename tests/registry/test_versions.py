"""Ranges of cenote in the metadata of plugins: which lines count, and which versions they take."""

from __future__ import annotations

import pytest

from cenote.registry.metadata import needed_range, read_header
from cenote.registry.versions import find_mismatch


@pytest.mark.parametrize(
    ("requirements", "needs"),
    [
        ([], ""),
        (["cenote"], ""),
        (["torch>=2"], ""),
        (["cenote>=0.1,<0.2"], ">=0.1,<0.2"),
        (["Cenote (>=0.1, <0.2)"], ">=0.1,<0.2"),
        (["cenote[testing] >= 0.1"], ">=0.1"),
        (["cenote>=0.1", "cenote<0.2"], ">=0.1,<0.2"),
        (['cenote[testing]>=9; extra == "test"'], ""),
        (["cenote>=9 ; extra=='a' or extra=='b'"], ""),
        (['cenote>=0.1; python_version >= "3.11"'], ">=0.1"),
        (['cenote>=9; python_version < "3"'], ""),
        (["cenote-colbert>=3"], ""),
        (["cenote @ https://example.org/cenote-9-py3-none-any.whl"], ""),
        (["%%%"], ""),
    ],
)
def test_lines_that_demand_a_cenote(requirements, needs):
    assert needed_range(requirements) == needs


def test_the_header_ends_at_the_first_empty_line():
    text = (
        "Metadata-Version: 2.1\nNAME: cenote-x\nVersion: 1.0\nRequires-Dist: cenote<0.2\n\nRequires-Dist: cenote<0.1\n"
    )
    header = read_header(text)
    assert (header.name, header.version, header.needs) == ("cenote-x", "1.0", "<0.2")
    assert read_header(None).name == "unknown"


@pytest.mark.parametrize(
    ("needs", "running"),
    [
        ("", "0.3.1"),
        (">=0.1,<0.4", "0.3.1"),
        ("==0.3.1", "0.3.1"),
        ("==0.3", "0.3.0"),
        ("!=0.3", "0.3.1"),
        ("~=0.3", "0.3.1"),
        ("==0.3.*", "0.3.1"),
        ("<=0.3.1,>0.3.0", "0.3.1"),
        (">=0.3", "0.4.0rc1"),
        (">=0.3.0rc1", "0.3.0"),
    ],
)
def test_versions_within_a_range(needs, running):
    assert find_mismatch(needs, running) is None


@pytest.mark.parametrize(
    ("needs", "running", "demanded", "wants_newer"),
    [
        (">=0.1,<0.2", "0.3.1", "<0.2", False),
        (">=0.4,<0.5", "0.3.1", ">=0.4", True),
        ("==0.4.*", "0.3.1", "==0.4.*", True),
        ("==0.2.*", "0.3.1", "==0.2.*", False),
        ("~=0.4", "0.3.1", "~=0.4", True),
        ("!=0.3.1", "0.3.1", "!=0.3.1", False),
        # A pre-release of 0.3 comes before it, and after everything below.
        (">=0.3", "0.3.0rc1", ">=0.3", True),
        ("<0.2", "0.3.0rc1", "<0.2", False),
        ("<0.2,<0.3", "0.3.1", "<0.2,<0.3", False),
    ],
)
def test_versions_outside_of_a_range(needs, running, demanded, wants_newer):
    found = find_mismatch(needs, running)
    assert found is not None
    assert str(found) == f"needs cenote {demanded}, found {running}"
    assert found.wants_newer is wants_newer


@pytest.mark.parametrize("needs", [">>1", "0.3", ">=x.y"])
def test_what_is_no_range_is_said_to_be_none(needs):
    with pytest.raises(ValueError, match="is no range of versions"):
        find_mismatch(needs, "0.3.1")
