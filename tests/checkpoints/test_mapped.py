import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cenote.checkpoints.mapped import map_weights, release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tensors = {
        "table": torch.arange(300_000, dtype=torch.float32).view(1000, 300),
        "half": torch.randn(5, 3).to(torch.bfloat16),
        "count": torch.tensor(7),
        "none": torch.empty(0, 4),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def test_tensors_are_those_of_the_file(folder: Path) -> None:
    stored = map_weights(folder)
    assert stored is not None
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert torch.equal(stored[name][...].to(device="cpu", dtype=tensor.dtype), tensor)
        assert stored[name].shape == tuple(tensor.shape)
    assert torch.equal(stored["table"][3:5, 1], torch.tensor([901.0, 1201.0]))


def test_a_large_tensor_is_the_files_own_pages_and_a_small_one_a_copy(folder: Path) -> None:
    stored = map_weights(folder)
    assert stored is not None
    assert stored["table"].to("cpu").data_ptr() == stored["table"].to("cpu").data_ptr()
    assert stored["half"].to("cpu").data_ptr() != stored["half"].to("cpu").data_ptr()


def test_another_dtype_gives_a_tensor_of_its_own(folder: Path) -> None:
    stored = map_weights(folder)
    assert stored is not None
    halved = stored["table"].to("cpu", torch.bfloat16)
    assert torch.equal(halved, torch.arange(300_000).view(1000, 300).to(torch.bfloat16))


def test_what_was_released_is_read_again(folder: Path) -> None:
    stored = map_weights(folder)
    assert stored is not None
    table = stored["table"].to("cpu")
    expected = table.clone()
    release(table)
    release(table[10:20])
    release(torch.ones(100_000))  # has memory of its own
    release(table.T)
    assert torch.equal(table, expected)


def test_released_pages_leave_memory_while_the_tensor_lives_on(folder: Path) -> None:
    file = folder / "model.safetensors"
    stored = map_weights(folder)
    assert stored is not None
    table = stored["table"].to("cpu")
    del stored
    assert table.sum() > 0
    assert _resident(file) > 1000
    release(table)
    assert _resident(file) < 100
    assert table[-1, -1] == 299_999


def _resident(file: Path) -> int:
    """Return how many KiB of a file are in this process."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(str(file))]
    sizes = [next(line for line in lines[start:] if line.startswith("Rss:")) for start in starts]
    return sum(int(line.split()[1]) for line in sizes)


def test_what_is_written_stays_out_of_the_file(folder: Path) -> None:
    stored = map_weights(folder)
    assert stored is not None
    stored["table"].to("cpu").zero_()
    assert load_file(folder / "model.safetensors")["table"][0, 5] == 5


def test_a_tensor_that_lies_between_the_boundaries_of_its_dtype_is_copied(tmp_path: Path) -> None:
    values = struct.pack("<3f", 1, 2, 3)
    header = json.dumps({"odd": {"dtype": "F32", "shape": [3], "data_offsets": [1, 13]}}).encode()
    header += b" " * (-len(header) % 8)
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" + values)
    stored = map_weights(tmp_path)
    assert stored is not None
    assert stored["odd"].to("cpu").tolist() == [1.0, 2.0, 3.0]


def test_files_that_cannot_be_mapped_are_left_to_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_MAP_WEIGHTS", "0")
    assert map_weights(folder) is None
    monkeypatch.delenv("CENOTE_MAP_WEIGHTS")
    header = json.dumps({"eight": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert map_weights(folder) is None
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.ones(1)}, folder / "pytorch_model.bin")
    assert map_weights(folder) is None
