"""Tensor names and tensors: sharded, pickled, truncated, missing."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel

from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError
from cenote.registry import resolve_adapter

WriteJson = Callable[[Path, Any], None]


def test_names_come_from_the_header(bert: Path) -> None:
    found = open_checkpoint(str(bert))
    assert found.tensor_names() == frozenset(load_file(bert / "model.safetensors"))
    assert found.has_tensor("embeddings.word_embeddings.weight")
    assert not found.has_tensor("linear.weight")


def test_names_come_from_all_shards(bert: Path, saved_bert: Path) -> None:
    names = open_checkpoint(str(bert)).tensor_names()
    (bert / "model.safetensors").unlink()
    BertModel.from_pretrained(saved_bert).save_pretrained(bert, max_shard_size="10KB")
    assert (bert / "model.safetensors.index.json").is_file()
    assert open_checkpoint(str(bert)).tensor_names() == names


def test_an_index_that_names_a_missing_file_is_an_error(bert: Path, write_json: WriteJson) -> None:
    (bert / "model.safetensors").unlink()
    write_json(bert / "model.safetensors.index.json", {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
    with pytest.raises(CheckpointError, match=r"2 of them missing: one\.safetensors, two\.safetensors"):
        open_checkpoint(str(bert)).tensor_names()


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {"a": "../x"}}])
def test_a_broken_index_is_an_error(index: Any, bert: Path, write_json: WriteJson) -> None:
    (bert / "model.safetensors").unlink()
    write_json(bert / "model.safetensors.index.json", index)
    with pytest.raises(CheckpointError, match=r"weight_map|outside"):
        open_checkpoint(str(bert)).tensor_names()


def test_names_of_a_pickled_file_are_read_too(bert: Path) -> None:
    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    assert open_checkpoint(str(bert)).has_tensor("embeddings.word_embeddings.weight")


@pytest.mark.parametrize("zipped", [True, False])
def test_names_of_a_pickled_file_are_read_once(zipped: bool, bert: Path) -> None:
    file = bert / "pytorch_model.bin"
    torch.save(load_file(bert / "model.safetensors"), file, _use_new_zipfile_serialization=zipped)
    (bert / "model.safetensors").unlink()
    found = open_checkpoint(str(bert))
    names = found.tensor_names()
    file.unlink()
    assert found.with_config({"model_type": "bert"}).tensor_names() == found.tensor_names() == names


def test_names_of_a_pickled_file_do_not_read_its_tensors(bert: Path) -> None:
    torch.save({"a": torch.zeros(25_000_000)}, bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    code = (
        "import re, cenote.checkpoints.tensors; from pathlib import Path; "
        "from cenote.checkpoints import open_checkpoint; "
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]); "
        f"before = peak(); assert open_checkpoint({str(bert)!r}).tensor_names() == {{'a'}}; print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 50_000  # KiB; the tensor has 98 thousand


def test_choosing_an_adapter_does_not_look_at_the_weights(bert: Path) -> None:
    (bert / "model.safetensors").unlink()
    found = open_checkpoint(str(bert))  # with no weights at all, looking for a name is an error
    with pytest.raises(CheckpointError):
        found.tensor_names()
    resolved = resolve_adapter(found, architectures=found.architectures, model_type=found.model_type)
    assert resolved.architecture == "BertModel"


def test_no_weights_at_all_lists_what_there_is(bert: Path) -> None:
    (bert / "model.safetensors").rename(bert / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"neither.*found other\.safetensors"):
        open_checkpoint(str(bert)).tensor_names()


def _with_header(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 4,
        b"\xff" * 64,
        _with_header(b"[]"),
        _with_header(b"{"),
        _with_header(b'{"a": 3}'),
        _with_header(b'{"a": {"data_offsets": [0]}}'),
        _with_header(json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()) + b"\0" * 9,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    ],
    ids=["empty", "short", "garbage", "list", "open", "number", "offsets", "truncated", "lfs-pointer"],
)
def test_a_broken_safetensors_file_is_an_error(content: bytes, bert: Path) -> None:
    (bert / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*[Dd]ownload"):
        open_checkpoint(str(bert)).tensor_names()


def test_module_tensors_are_read_from_either_file(bert: Path) -> None:
    tensors = {"linear.weight": torch.arange(6.0).reshape(2, 3)}
    (bert / "2_Dense").mkdir()
    (bert / "3_Dense").mkdir()
    save_file(tensors, bert / "2_Dense" / "model.safetensors")
    torch.save(tensors, bert / "3_Dense" / "pytorch_model.bin")
    found = open_checkpoint(str(bert))
    for folder in ("2_Dense", "3_Dense"):
        assert torch.equal(found.read_tensors(folder)["linear.weight"], tensors["linear.weight"])
    with pytest.raises(CheckpointError, match="4_Dense"):
        found.read_tensors("4_Dense")
    with pytest.raises(CheckpointError, match="outside"):
        found.read_tensors("../elsewhere")


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/never-written-by-cenote").write_text, ("x",))


@pytest.mark.parametrize("value", [_Evil(), {"a": _Evil()}, [torch.zeros(1)], {"a": 3}, {"a": {"b": torch.zeros(1)}}])
def test_a_pickle_with_other_objects_is_refused(value: Any, bert: Path) -> None:
    (bert / "1_Dense").mkdir()
    torch.save(value, bert / "1_Dense" / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"other than tensors|mapping from names to tensors"):
        open_checkpoint(str(bert)).read_tensors("1_Dense")
    assert not Path("/tmp/never-written-by-cenote").exists()


def test_a_truncated_pickle_is_an_error(bert: Path) -> None:
    file = bert / "1_Dense" / "pytorch_model.bin"
    file.parent.mkdir()
    torch.save({"a": torch.zeros(1000)}, file)
    for content in (file.read_bytes()[:900], b"", b"junk"):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
            open_checkpoint(str(bert)).read_tensors("1_Dense")
