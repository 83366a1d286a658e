"""From what a user types to an opened checkpoint, or to a message that helps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError

WriteJson = Callable[[Path, Any], None]


def test_a_folder_opens(bert: Path) -> None:
    found = open_checkpoint(str(bert))
    assert (found.path, found.name) == (bert, str(bert))
    assert found.architectures == ("BertModel",)
    assert found.model_type == "bert"
    assert found.sentence_transformers is None
    assert found.backbone_path == bert
    assert found.has_file("model.safetensors")
    assert not found.has_file("colbert_linear.pt")


def test_a_link_to_a_folder_and_a_relative_path_open(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = bert.with_name("link")
    link.symlink_to(bert)
    assert open_checkpoint(str(link)).path == bert
    monkeypatch.chdir(bert.parent)
    assert open_checkpoint("bert").path == bert
    assert open_checkpoint("./bert/").path == bert


def test_a_folder_named_like_a_hub_id_wins(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = bert.parent / "intfloat"
    owner.mkdir()
    bert.rename(owner / "e5-small")
    monkeypatch.chdir(owner.parent)
    assert open_checkpoint("intfloat/e5-small").path == owner / "e5-small"


@pytest.mark.parametrize("name", ["./missing", "/missing/model", "a/b/c", "~/missing/x/y", "..", "a b", "a//b", "-a/b"])
def test_what_is_neither_a_folder_nor_an_id_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no folder|no config\.json"):
        open_checkpoint(name)


@pytest.mark.parametrize("name", ["", "  ", "a\0b", None, 3])
def test_what_is_no_name_says_so(name: Any) -> None:
    with pytest.raises(CheckpointError, match="folder or a hub id"):
        open_checkpoint(name)


def test_a_file_instead_of_its_folder_says_so(bert: Path) -> None:
    with pytest.raises(CheckpointError, match="is a file"):
        open_checkpoint(str(bert / "model.safetensors"))


def test_a_broken_link_says_so(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(CheckpointError, match=r"link to .*gone"):
        open_checkpoint(str(tmp_path / "link"))


def test_a_folder_without_config_lists_what_it_has(bert: Path, write_json: WriteJson) -> None:
    (bert / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json.*model\.safetensors"):
        open_checkpoint(str(bert))
    write_json(bert / "adapter_config.json", {})
    with pytest.raises(CheckpointError, match="merge_and_unload"):
        open_checkpoint(str(bert))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "JSON object, found list"),
        ('""', "JSON object, found str"),
        ("null", "JSON object, found NoneType"),
        ("\xff\xfe{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "not valid JSON"),
    ],
    ids=["empty", "open", "list", "string", "null", "bytes", "deep", "huge-number"],
)
def test_broken_config_json_names_the_file(text: str, message: str, bert: Path) -> None:
    (bert / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(str(bert))
    assert "config.json" in str(caught.value)


def test_config_json_that_is_a_folder_is_no_config(bert: Path) -> None:
    (bert / "config.json").unlink()
    (bert / "config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        open_checkpoint(str(bert))


def test_overrides_replace_entries_and_merge_sub_configs(bert: Path, write_json: WriteJson) -> None:
    config = {"model_type": "x", "text_config": {"a": 1, "b": 2}, "rope_scaling": {"type": "ntk", "factor": 2}}
    write_json(bert / "config.json", config)
    overrides = {"architectures": ["Other"], "text_config": {"b": 3}, "rope_scaling": {"type": "yarn"}}
    found = open_checkpoint(str(bert), hf_overrides=overrides)
    assert found.architectures == ("Other",)
    assert found.config["text_config"] == {"a": 1, "b": 3}
    assert found.config["rope_scaling"] == {"type": "yarn"}  # a plain mapping is replaced whole, python-api.md 1
    assert found.config_value("text_config.b") == 3
    assert found.config_value("text_config.b.c") is None
    assert found.config_value("nothing") is None


def test_overrides_may_be_a_function(bert: Path) -> None:
    found = open_checkpoint(str(bert), hf_overrides=lambda config: config | {"num_labels": 7})
    assert found.config["num_labels"] == 7
    with pytest.raises(CheckpointError, match="returned list"):
        open_checkpoint(str(bert), hf_overrides=lambda config: [])  # type: ignore[arg-type,return-value]


def test_odd_architectures_are_no_crash(bert: Path) -> None:
    for value in (None, "BertModel", [1, "A"], {}):
        found = open_checkpoint(str(bert), hf_overrides={"architectures": value, "model_type": 5})
        assert found.architectures in ((), ("A",))
        assert found.model_type is None


def test_with_config_keeps_the_rest(bert: Path) -> None:
    found = open_checkpoint(str(bert), trust_remote_code=True)
    changed = found.with_config({"model_type": "other"})
    assert (changed.model_type, changed.path, changed.trust_remote_code) == ("other", bert, True)
    assert found.model_type == "bert"


def test_names_that_leave_the_checkpoint_are_refused(bert: Path) -> None:
    found = open_checkpoint(str(bert))
    for name in ("../secret", "/etc/passwd", "a/../../b", "..\\x", "C:/x"):
        with pytest.raises(CheckpointError, match="outside"):
            found.has_file(name)


def test_opening_imports_no_torch(bert: Path) -> None:
    code = (
        "import sys; from cenote.checkpoints import open_checkpoint; "
        f"c = open_checkpoint({str(bert)!r}); c.tensor_names(); "
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
