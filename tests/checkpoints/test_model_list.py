"""The kept list of models counts for the very files that it was made of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cenote.checkpoints.model_list import read_list, write_list

LISTED = {
    frozenset[str](): {"bert.configuration_bert": {"BertConfig"}},
    frozenset({"torch"}): {"bert.modeling_bert": {"A", "B"}},
}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    (folder / "bert").mkdir(parents=True)
    (folder / "bert" / "modeling_bert.py").write_text("A = B = 1\n")
    return folder


def kept(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "cenote").iterdir()
    return path


def test_a_list_is_read_as_it_was_written(models: Path) -> None:
    assert read_list(models) is None
    write_list(models, LISTED)
    assert read_list(models) == LISTED


def test_each_installation_has_a_list_of_its_own(models: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_list(models, LISTED)
    assert read_list(other) is None
    write_list(other, {})
    assert (read_list(models), read_list(other)) == (LISTED, {})


def test_a_list_of_other_files_does_not_count(models: Path) -> None:
    path = models / "bert" / "modeling_bert.py"
    before = path.stat()
    write_list(models, LISTED)
    path.write_text("A = C = 1\n")  # as long as before
    assert read_list(models) is None
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_list(models) == LISTED
    (models / "qwen3").mkdir()
    (models / "qwen3" / "modeling_qwen3.py").touch()
    assert read_list(models) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": 1}', '{"files": "%s", "models": [1]}', '{"files": "%s", "models": 2}']
)
def test_a_broken_list_does_not_count(models: Path, tmp_path: Path, text: str) -> None:
    write_list(models, LISTED)
    path = kept(tmp_path)
    path.write_text(text.replace("%s", json.loads(path.read_text())["files"]))
    assert read_list(models) is None
    write_list(models, LISTED)
    assert read_list(models) == LISTED


def test_a_list_that_somebody_else_wrote_does_not_count(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list(models, LISTED)
    owner = kept(tmp_path).stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert (read_list(models) is None) == (owner != 0), "that of the administrator does"


def test_only_the_user_can_read_and_write_it(models: Path, tmp_path: Path) -> None:
    write_list(models, LISTED)
    assert [oct(path.stat().st_mode & 0o777) for path in (kept(tmp_path), kept(tmp_path).parent)] == ["0o600", "0o700"]


def test_a_cache_that_cannot_be_written_is_done_without(models: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    write_list(models, LISTED)
    assert read_list(models) is None


def test_a_user_without_a_home_keeps_no_list(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which counts as unset
    monkeypatch.setattr(Path, "home", homeless)
    write_list(models, LISTED)
    assert read_list(models) is None
