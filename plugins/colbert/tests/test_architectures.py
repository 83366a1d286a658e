"""Recognising late-interaction models among others of the same backbones."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import cenote_colbert
from cenote import LLM
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError
from cenote.registry import ArchitectureSpec, default_registry, resolve_adapter
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close

SPECS = [getattr(cenote_colbert, name) for name in cenote_colbert.__all__]


def _chosen(folder: Path, **options: Any) -> str:
    facts = open_checkpoint(str(folder), **options)
    given = "architectures" in options.get("hf_overrides", {})
    found = resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type, from_user=given)
    return found.spec.name


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_spec_has_a_look_alike_of_its_own(spec: ArchitectureSpec, tmp_path: Path) -> None:
    package, _, function = str(spec.lookalike).partition(":")
    folder = getattr(importlib.import_module(package), function)(tmp_path / "model")
    assert _chosen(folder) == spec.name


def test_importing_the_specs_loads_no_torch() -> None:
    code = "import sys, cenote_colbert; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_spec_is_an_entry_point(spec: ArchitectureSpec) -> None:
    registry = default_registry()
    for name in spec.architectures:
        offers = registry.entries("cenote.architectures")[name]
        found = [item for item in offers if item.distribution == "cenote-colbert"]
        assert [registry.load(entry) for entry in found] == [spec]


@pytest.mark.parametrize(
    ("family", "spec"),
    [
        ("colbert_v2", "colbert"),
        ("answerai_colbert_small", "colbert"),
        ("jina_colbert_v2", "colbert"),
        ("gte_moderncolbert", "colbert-backbone"),
        ("lfm2_colbert", "colbert-backbone"),
        ("multi_vector_encoder", "colbert-backbone"),
        ("pylate_gte", "colbert-gte"),
        ("pylate_nomic", "colbert-nomic"),
    ],
)
def test_published_folders_are_recognised(folder_of: Callable[[str], Path], family: str, spec: str) -> None:
    assert _chosen(folder_of(family)) == spec


def test_the_packed_layout_is_recognised_where_its_config_names_xlm_roberta(edited: Any) -> None:
    folder = edited("jina_colbert_v2", {"config.json": {"architectures": ["XLMRobertaModel"]}})
    assert _chosen(folder) == "colbert-xlm-roberta"
    with LLM(str(folder)) as model:
        assert model.report()["layout"] == "jina-colbert-v2 (files)"


@pytest.mark.parametrize("family", ["modernbert", "bert", "xlm_roberta"])
def test_plain_backbones_stay_what_they_were(tmp_path: Path, family: str) -> None:
    assert _chosen(build_checkpoint(family, tmp_path / family)) == "transformers-encoder"


def test_folders_of_pylate_whose_dense_module_is_that_of_sentence_transformers_are_recognised(edited: Any) -> None:
    folder = edited("gte_moderncolbert", {"config_sentence_transformers.json": {"model_type": None}})
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(
        modules.replace("pylate.models.Dense.Dense", "sentence_transformers.models.Dense")
    )
    assert _chosen(folder) == "colbert-backbone"
    with LLM(str(folder)) as model:
        assert model.report()["layout"] == "PyLate (files)"


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("gte_moderncolbert", "ColBERTModernBertModel"),
        ("jina_colbert_v2", "ColBERTJinaRobertaModel"),
        ("lfm2_colbert", "ColBERTLfm2Model"),
    ],
)
def test_the_names_of_vllm_go_in_overrides(
    folder_of: Callable[[str], Path], vectors: Any, loaded: Any, texts: list[str], family: str, name: str
) -> None:
    overrides = {"architectures": [name]}
    assert _chosen(folder_of(family), hf_overrides=overrides) == "colbert-by-name"
    with LLM(str(folder_of(family)), hf_overrides=overrides) as model:
        (found,) = vectors(model, texts[:1], "query")
    assert (found == vectors(loaded(family), texts[:1], "query")[0]).all()


@pytest.mark.parametrize(
    ("family", "spec"),
    [
        ("qwen3", "colbert-backbone"),
        ("deberta_v2", "colbert-backbone"),
        ("mpnet", "colbert-backbone"),
        ("xlm_roberta", "colbert-xlm-roberta"),
    ],
)
def test_other_backbones_in_folders_of_pylate_load(
    tmp_path: Path, vectors: Any, texts: list[str], family: str, spec: str
) -> None:
    folder = build_checkpoint(family, tmp_path / "model", sentence_transformers=False)
    width = _write_pylate(folder)
    assert _chosen(folder) == spec
    with LLM(str(folder)) as model:
        for role in ("query", "document"):
            alone = [vectors(model, [text], role)[0] for text in texts]
            assert alone[0].shape[1] == width
            assert_all_close(vectors(model, texts, role), alone, tolerance=2e-5)


def _write_pylate(folder: Path, width: int = 8) -> int:
    """Make a folder of PyLate of a plain backbone, without markers or filling; return the size of its vectors."""
    config = json.loads((folder / "config.json").read_text())
    size = config["hidden_size"]
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    settings = {"query_prefix": "", "document_prefix": "", "do_query_expansion": False, "skiplist_words": ["a"]}
    dense = {"in_features": size, "out_features": width, "bias": False}
    dense["activation_function"] = "torch.nn.modules.linear.Identity"
    (folder / "1_Dense").mkdir()
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    (folder / "1_Dense" / "config.json").write_text(json.dumps(dense))
    generator = torch.Generator().manual_seed(0)
    save_file(
        {"linear.weight": torch.randn(width, size, generator=generator)}, folder / "1_Dense" / "model.safetensors"
    )
    return width


def test_a_backbone_without_a_projection_is_no_such_model(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path / "model", sentence_transformers=False)
    with pytest.raises(CheckpointError, match="no projection of its tokens"):
        LLM(str(folder), adapter="colbert")
