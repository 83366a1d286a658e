"""`cenote plugins new`: the names of a plugin, and where it is written."""

from __future__ import annotations

import pytest

from cenote.authoring.naming import Names, find_names
from cenote.authoring.scaffold import KINDS, new_plugin
from cenote.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cenote-acme", ("cenote_acme", "acme", "AcmeModel", "ACME", "acme")),
        ("my-model", ("my_model", "my-model", "MyModel", "MY_MODEL", "my_model")),
        ("Acme.Search_2", ("acme_search_2", "acme-search-2", "AcmeSearch2Model", "ACME_SEARCH_2", "acme_search_2")),
        ("cenote-7b", ("cenote_7b", "7b", "A7bModel", "A_7B", "a_7b")),
    ],
)
def test_all_names_follow_from_that_of_the_distribution(name: str, expected: tuple[str, ...]) -> None:
    found = find_names(name)
    assert isinstance(found, Names)
    assert (found.package, found.short, found.architecture, found.method, found.metric) == expected


@pytest.mark.parametrize("name", ["", "-acme", "acme-", "ac me", "../acme", "ácme", "acme\n", "a/b"])
def test_a_name_that_no_distribution_may_have_is_refused(name: str, tmp_path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be the name of a distribution") as caught:
        new_plugin(name, into=tmp_path)
    assert caught.value.param == "name"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("my-plugin", "'my-plugin' cannot be the name of a Python package. Choose one with --package"),
        ("class", "'class' cannot be the name of a Python package"),
        ("json", "The package 'json' would hide another one of this name. Choose one with --package."),
        ("torch", "The package 'torch' would hide another one"),
        ("cenote", "The package 'cenote' would hide another one"),
    ],
)
def test_a_package_that_cannot_be_imported_or_hides_another_is_refused(package: str, text: str, tmp_path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        new_plugin("cenote-acme", into=tmp_path, package=package)
    assert text in str(caught.value)
    assert caught.value.param == "package"


def test_a_digit_in_front_needs_a_package_of_another_name(tmp_path) -> None:
    with pytest.raises(InvalidRequest, match="'7b' cannot be the name of a Python package"):
        new_plugin("7b", into=tmp_path)
    assert (new_plugin("7b", into=tmp_path, package="seven") / "src" / "seven" / "py.typed").is_file()


def test_an_unknown_kind_is_refused_with_those_there_are(tmp_path) -> None:
    with pytest.raises(InvalidRequest, match=f"no kind 'pooler' of plugin. Kinds: {', '.join(KINDS)}"):
        new_plugin("cenote-acme", kind="pooler", into=tmp_path)


def test_a_command_is_not_called_like_a_built_in(tmp_path) -> None:
    with pytest.raises(InvalidRequest, match=r"'serve' is a command of cenote already. Choose another name"):
        new_plugin("cenote-serve", kind="command", into=tmp_path, commands={"serve"})
    new_plugin("cenote-serve", kind="hooks", into=tmp_path, commands={"serve"})


def test_what_is_there_already_is_left_alone(tmp_path) -> None:
    (tmp_path / "cenote-acme").mkdir()
    kept = tmp_path / "cenote-acme" / "notes"
    kept.write_text("mine")
    with pytest.raises(InvalidRequest, match="exists and is no empty folder") as caught:
        new_plugin("cenote-acme", into=tmp_path)
    assert caught.value.param == "into"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_an_empty_folder_is_filled_and_missing_ones_are_made(tmp_path) -> None:
    (tmp_path / "cenote-acme").mkdir()
    assert (new_plugin("cenote-acme", into=tmp_path) / "pyproject.toml").is_file()
    assert (new_plugin("cenote-acme", into=tmp_path / "a" / "b") / "pyproject.toml").is_file()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match=r"Cannot write to .*file") as caught:
        new_plugin("cenote-acme", into=tmp_path / "file")
    assert caught.value.param == "into"


def test_nothing_half_written_is_left_behind(tmp_path, monkeypatch) -> None:
    # The last file of a plugin cannot be written: the disk is full, say.
    limit = iter(range(4))
    write = type(tmp_path).write_text

    def fails(path, *arguments, **options):
        if next(limit, None) is None:
            raise OSError(28, "No space left on device")
        return write(path, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "write_text", fails)
    with pytest.raises(InvalidRequest, match="No space left on device"):
        new_plugin("cenote-acme", into=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_tests_are_short_and_nothing_is_left_to_fill_in(kind: str, tmp_path) -> None:
    folder = new_plugin("cenote-acme", kind=kind, into=tmp_path)
    files = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    for path, text in files.items():
        assert "$" not in text, path
        assert "TODO" not in text
        assert len(text.splitlines()) < (40 if path.name.startswith("test_") else 70), path
    assert {"pyproject.toml", "README.md", "py.typed", "__init__.py"} <= {path.name for path in files}
