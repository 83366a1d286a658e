"""Recognising BGE-M3 in every layout, and refusing what is incomplete or dangerous."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import cenote_bge_m3
from cenote import LLM
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.registry import ArchitectureSpec, default_registry, resolve_adapter
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close

_TEXTS = ["How deep is the well?", "Bread needs flour, water, salt and time; bread needs flour."]
_HEADS = ("sparse_linear", "colbert_linear")
_BY_NAME = {"architectures": ["BgeM3EmbeddingModel"]}


def _chosen(folder: Path) -> str:
    facts = open_checkpoint(str(folder))
    return resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type).spec.name


def _forms(folder: Path, **options: Any) -> list[Any]:
    with LLM(str(folder), **options) as llm:
        found = llm.encode(_TEXTS, outputs=["dense", "sparse", "multi"])
    forms = [output.outputs for output in found]
    return [part for each in forms for part in (each.dense, np.asarray(each.sparse.values), each.multi)]


def _as_safetensors(folder: Path) -> None:
    for name in _HEADS:
        save_file(torch.load(folder / f"{name}.pt"), folder / f"{name}.safetensors")
        (folder / f"{name}.pt").unlink()


def _as_tensors(folder: Path) -> None:
    pickled = (folder / "pytorch_model.bin").is_file()
    file = folder / ("pytorch_model.bin" if pickled else "model.safetensors")
    tensors = torch.load(file) if pickled else load_file(file)
    for name in _HEADS:
        tensors |= {f"{name}.{part}": value for part, value in torch.load(folder / f"{name}.pt").items()}
        (folder / f"{name}.pt").unlink()
    if pickled:
        torch.save(tensors, file)
    else:
        save_file(tensors, file, metadata={"format": "pt"})


def _as_published(_: Path) -> None:
    return


_LAYOUTS: dict[str, tuple[dict[str, Any], Callable[[Path], None]]] = {
    "published": ({}, _as_published),
    "prefix": ({"prefix": "roberta."}, _as_published),
    "no pooler": ({"pooler": False}, _as_published),
    "sharded": ({"sharded": True}, _as_published),
    "safetensors backbone": ({"safetensors": True}, _as_published),
    "safetensors heads": ({}, _as_safetensors),
    "all safetensors": ({"safetensors": True, "prefix": "roberta."}, _as_safetensors),
    "heads in the pickle": ({"prefix": "roberta."}, _as_tensors),
    "heads in the safetensors": ({"safetensors": True}, _as_tensors),
    "no files of sentence-transformers": ({"sentence_transformers": False}, _as_published),
    "RobertaModel": ({"config": {"architectures": ["RobertaModel"]}}, _as_published),
    "a head's class": ({"config": {"architectures": ["XLMRobertaForMaskedLM"]}}, _as_published),
}


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[Any]:
    return _forms(folder)


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_layout_is_recognised_and_gives_the_same_numbers(
    layout: str, expected: list[Any], tmp_path: Path
) -> None:
    options, change = _LAYOUTS[layout]
    folder = build_checkpoint("bge_m3_triple", tmp_path, **options)
    change(folder)
    assert _chosen(folder) == "bge-m3"
    assert_all_close(_forms(folder), expected, tolerance=1e-6)


@pytest.mark.parametrize("options", [{"adapter": "bge-m3"}, {"hf_overrides": _BY_NAME}])
def test_it_can_be_asked_for_by_name(options: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    other = build_checkpoint("bert", tmp_path)
    for name in _HEADS:
        shutil.copy(folder / f"{name}.pt", other)
    assert _chosen(other) != "bge-m3"
    with LLM(str(other), **options) as llm:
        (found,) = llm.encode(_TEXTS[:1], outputs=["dense", "sparse", "multi"])
        assert len(found.outputs.multi) == len(found.prompt_token_ids) - 1
        assert llm.report()["token vectors"] == "32"


def test_the_last_token_of_another_encoder_is_no_term_either(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    torch.save({"weight": torch.zeros(1, 32), "bias": torch.ones(1)}, folder / "sparse_linear.pt")
    torch.save({"weight": torch.eye(32), "bias": torch.zeros(32)}, folder / "colbert_linear.pt")
    with LLM(str(folder), adapter="bge-m3") as llm:
        tokenizer = llm.get_tokenizer()
        (weights,) = llm.encode("water is deep", pooling_task="token_classify")
        (terms,) = llm.sparse_embed(f"water is deep {tokenizer.sep_token} water")
    inner = tokenizer.encode("water is deep", add_special_tokens=False)
    assert weights.prompt_token_ids == [tokenizer.cls_token_id, *inner, tokenizer.sep_token_id]
    assert weights.outputs.data.shape == (len(inner),)
    assert terms.outputs.indices == sorted(set(inner))


def test_a_config_without_architectures_is_loaded_by_name(expected: list[Any], tmp_path: Path) -> None:
    folder = build_checkpoint("bge_m3_triple", tmp_path, config={"architectures": None})
    assert _chosen(folder) == "transformers-encoder"
    assert_all_close(_forms(folder, adapter="bge-m3"), expected, tolerance=1e-6)


def test_a_model_without_heads_is_a_plain_embedder(folder: Path, tmp_path: Path) -> None:
    assert _chosen(build_checkpoint("xlm_roberta", tmp_path / "plain")) == "transformers-encoder"
    with pytest.raises(CheckpointError, match=r"neither head.*sparse_linear\.pt and colbert_linear\.pt"):
        LLM(str(tmp_path / "plain"), hf_overrides=_BY_NAME)
    with LLM(str(folder), adapter="transformers-encoder") as llm:
        assert set(llm.supported_tasks) == {"embed", "token_embed"}


@pytest.mark.parametrize("spec", [cenote_bge_m3.BGE_M3, cenote_bge_m3.BGE_M3_BY_NAME], ids=lambda spec: spec.name)
def test_every_spec_is_an_entry_point(spec: ArchitectureSpec) -> None:
    registry = default_registry()
    for name in spec.architectures:
        entries = registry.entries("cenote.architectures")[name]
        assert spec in [registry.load(entry) for entry in entries if entry.distribution == "cenote-bge-m3"]


@pytest.mark.parametrize("missing", _HEADS)
@pytest.mark.parametrize("change", [_as_published, _as_safetensors])
def test_one_head_alone_is_refused(missing: str, change: Callable[[Path], None], tmp_path: Path) -> None:
    folder = build_checkpoint("bge_m3_triple", tmp_path)
    change(folder)
    next(folder.glob(f"{missing}.*")).unlink()
    (there,) = set(_HEADS) - {missing}
    with pytest.raises(CheckpointError, match=f"the head '{there}' and not '{missing}'"):
        LLM(str(folder))


@pytest.mark.parametrize(
    ("head", "tensors", "message"),
    [
        ("sparse_linear", {"weight": torch.ones(2, 32), "bias": torch.ones(2)}, r"weight \[1, 32\] and bias \[1\]"),
        ("sparse_linear", {"weight": torch.ones(1, 32)}, r"found weight \[1, 32\]"),
        ("sparse_linear", {}, "found nothing"),
        ("colbert_linear", {"weight": torch.ones(32, 16), "bias": torch.ones(32)}, r"weight \[any, 32\]"),
        ("colbert_linear", {"weight": torch.ones(8, 32), "bias": torch.ones(9)}, r"weight \[any, 32\]"),
        ("colbert_linear", {"linear.weight": torch.ones(8, 32), "linear.bias": torch.ones(8)}, r"linear\.weight"),
        ("colbert_linear", {"weight": torch.ones(8, 32).int(), "bias": torch.ones(8).int()}, "float tensors"),
        ("colbert_linear", {"weight": torch.ones(0, 32), "bias": torch.ones(0)}, r"weight \[0, 32\]"),
        ("colbert_linear", {"weight": torch.tensor(1.0), "bias": torch.tensor(1.0)}, r"bias \[\]"),
        ("colbert_linear", [torch.ones(8, 32)], "mapping from names to tensors"),
    ],
)
def test_heads_of_other_shapes_are_refused(head: str, tensors: Any, message: str, folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    torch.save(tensors, copy / f"{head}.pt")
    with pytest.raises(CheckpointError, match=message):
        LLM(str(copy))


class _Malicious:
    """Would make a folder when unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._path,)


@pytest.mark.parametrize("file", ["sparse_linear.pt", "colbert_linear.pt", "pytorch_model.bin"])
def test_a_pickle_with_code_is_refused_and_the_code_does_not_run(file: str, folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    torch.save({"weight": _Malicious(tmp_path / "harm")}, copy / file)
    with pytest.raises(CheckpointError, match="Python objects other than tensors"):
        LLM(str(copy))
    assert not (tmp_path / "harm").exists()


def test_a_broken_pickle_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "sparse_linear.pt").write_bytes((folder / "sparse_linear.pt").read_bytes()[:300])
    with pytest.raises(CheckpointError, match="not a whole torch file"):
        LLM(str(copy))


def test_the_vectors_of_tokens_may_have_another_size(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    head = torch.load(copy / "colbert_linear.pt")
    torch.save({name: tensor[:8].clone() for name, tensor in head.items()}, copy / "colbert_linear.pt")
    with LLM(str(copy)) as llm:
        (found,) = llm.encode(_TEXTS[:1], outputs=["dense", "multi"])
        assert found.outputs.dense.shape == (32,)
        assert found.outputs.multi.shape == (len(found.prompt_token_ids) - 1, 8)
        assert llm.report()["token vectors"] == "8"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"tok_pooling_type": "STEP"}, "BGE-M3"),
        ({"step_tag_id": 5}, "BGE-M3"),
        ({"returned_token_ids": [0]}, "BGE-M3"),
        ({"dimensions": 8}, "matryoshka"),
    ],
)
def test_settings_of_other_models_are_refused(wanted: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(InvalidRequest, match=message):
        LLM(str(folder), pooler_config=wanted)
