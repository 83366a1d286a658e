"""Which models `cenote serve` loads, and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.cli.served_models import choose_models
from cenote.errors import InvalidRequest


def names(words: list[str], served: list[str]) -> list[tuple[str | None, tuple[str, ...]]]:
    return [(choice.model, choice.names) for choice in choose_models(words, served)]


def test_no_model_is_the_demonstration_model_under_its_own_name_or_another() -> None:
    (choice,) = choose_models([], [])
    assert choice.model is None
    assert choice.names == ("all-MiniLM-L6-v2",)
    assert "all-MiniLM-L6-v2" in choice.unlisted.values()
    assert names([], ["demo"]) == [(None, ("demo",))]


def test_one_model_takes_every_served_name() -> None:
    assert names(["org/a"], []) == [("org/a", ("org/a",))]
    assert names(["org/a"], ["x", "y", "x"]) == [("org/a", ("x", "y"))]
    assert names(["x=org/a"], []) == [("org/a", ("x",))]


def test_several_models_take_one_served_name_each_or_carry_their_own() -> None:
    assert names(["org/a", "org/b"], ["x", "y"]) == [("org/a", ("x",)), ("org/b", ("y",))]
    assert names(["x=org/a", "org/b"], []) == [("org/a", ("x",)), ("org/b", ("org/b",))]


def test_a_folder_is_called_by_its_last_part_and_accepted_by_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "c=d"
    folder.mkdir()
    (choice,) = choose_models([str(folder)], [])
    assert choice.names == ("c=d",)  # a folder that exists is no name and model
    assert choice.unlisted == {str(folder): "c=d"}


@pytest.mark.parametrize(
    ("words", "served", "text"),
    [
        ([], ["x", "y"], "Several served names and no model"),
        (["org/a"], [" "], "--served-model-name is empty"),
        (["org/a", "org/b"], ["x"], "2 models and 1 served names"),
        (["org/a", "org/b"], ["x", "y", "z"], "2 models and 3 served names"),
        (["org/a", "org/b"], ["x", "x"], "Two models would be called 'x': org/a and org/b"),
        (["org/a", "org/a"], [], "Two models would be called 'org/a'"),
        (["x=org/a", "x=org/b"], [], "Two models would be called 'x'"),
        (["x=org/a", "org/b"], ["x", "y"], "both as NAME=MODEL and by --served-model-name"),
        (["x=org/a"], ["x"], "both as NAME=MODEL and by --served-model-name"),
        (["=org/a"], [], "NAME=MODEL"),
        (["x="], [], "NAME=MODEL"),
    ],
)
def test_names_that_do_not_fit_are_refused(words: list[str], served: list[str], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        choose_models(words, served)


def test_folders_of_one_name_collide_and_a_served_name_that_is_a_folder_was_meant_as_model(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "model").mkdir(parents=True)
    one, other = str(tmp_path / "a" / "model"), str(tmp_path / "b" / "model")
    with pytest.raises(InvalidRequest, match="Two models would be called 'model'"):
        choose_models([one, other], [])
    with pytest.raises(InvalidRequest, match="models stand before --served-model-name"):
        choose_models([one], ["x", other])
