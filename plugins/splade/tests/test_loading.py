"""Recognising SPLADE models, and refusing what would be computed wrongly."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cenote_splade
from cenote import LLM
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.registry import ArchitectureSpec, default_registry, resolve_adapter
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close


def _chosen(folder: Path, **options: Any) -> str:
    facts = open_checkpoint(str(folder))
    return resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type, **options).spec.name


def _edited(source: Path, target: Path, file: str, **changes: Any) -> Path:
    shutil.copytree(source, target)
    path = target / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return target


def test_importing_the_specs_loads_no_torch() -> None:
    code = "import sys, cenote_splade; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", [cenote_splade.SPLADE, cenote_splade.BERT_SPLADE], ids=lambda spec: spec.name)
def test_every_spec_is_an_entry_point(spec: ArchitectureSpec) -> None:
    registry = default_registry()
    for name in spec.architectures:
        found = [
            item for item in registry.entries("cenote.architectures")[name] if item.distribution == "cenote-splade"
        ]
        assert [registry.load(entry) for entry in found] == [spec]


@pytest.mark.parametrize("name", ["splade", "splade_distilbert", "splade_roberta", "splade_modernbert"])
def test_folders_of_sparse_encoders_are_recognised(name: str, folder_of: Callable[[str], Path]) -> None:
    assert _chosen(folder_of(name)) == "splade"


def test_a_bare_masked_language_model_is_a_dense_embedder_unless_asked(folder_of: Callable[[str], Path]) -> None:
    folder = folder_of("splade_bare")
    assert _chosen(folder) == "transformers-encoder"
    assert _chosen(folder, adapter="splade") == "splade"
    assert _chosen(folder, adapter="cenote-splade") == "splade"


def test_both_ways_of_asking_give_the_reference(
    folder_of: Callable[[str], Path], encode: Any, texts: list[str]
) -> None:
    folder = folder_of("splade_bare")
    expected = encode(folder, texts[:4])
    overrides = {"architectures": ["BertSpladeSparseEmbeddingModel"]}
    for options in ({"adapter": "splade"}, {"hf_overrides": overrides}):
        with LLM(str(folder), **options) as llm:
            found = [output.outputs.data for output in llm.encode(texts[:4], pooling_task="embed")]
        assert_all_close(found, expected, tolerance=2e-5)


def test_an_encoder_without_an_output_layer_is_refused(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path / "bert", sentence_transformers=False)
    with pytest.raises(CheckpointError, match=r"not in the weight files.*masked language model"):
        LLM(str(folder), adapter="splade")


def test_a_language_model_is_refused(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3", tmp_path / "qwen3", sentence_transformers=False)
    with pytest.raises(CheckpointError, match="no masked language model"):
        LLM(str(folder), adapter="splade")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("1_SpladePooling/config.json", {"pooling_strategy": "mean"}, "pooling_strategy is 'mean'"),
        ("1_SpladePooling/config.json", {"activation_function": "gelu"}, "activation_function 'gelu'"),
        ("1_SpladePooling/config.json", {"weights": "idf"}, "unknown keys: weights"),
        ("sentence_bert_config.json", {"transformer_task": "feature-extraction"}, "fill-mask"),
        ("sentence_bert_config.json", {"module_output_name": "logits"}, "token_embeddings"),
        ("sentence_bert_config.json", {"modality_config": {"text": {"method": "forward"}}}, "logits"),
        ("sentence_bert_config.json", {"modality_config": []}, "logits"),
        ("config_sentence_transformers.json", {"max_active_dims": 0}, "max_active_dims"),
        ("config_sentence_transformers.json", {"max_active_dims": True}, "max_active_dims"),
    ],
)
def test_files_that_say_something_else_are_refused(
    file: str, changes: dict[str, Any], message: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = _edited(folder_of("splade_modernbert"), tmp_path / "edited", file, **changes)
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


@pytest.mark.parametrize(
    "types",
    [
        ["sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"],
        ["sentence_transformers.sparse_encoder.models.SpladePooling"],
        [
            "sentence_transformers.sparse_encoder.models.MLMTransformer",
            "sentence_transformers.sparse_encoder.models.SpladePooling",
            "sentence_transformers.models.Normalize",
        ],
        [
            "sentence_transformers.models.Transformer",
            "sentence_transformers.models.Pooling",
            "sentence_transformers.sparse_encoder.models.SparseAutoEncoder",
        ],
    ],
    ids=lambda types: types[-1].rpartition(".")[2],
)
def test_other_pipelines_are_refused(types: list[str], folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(folder_of("splade"), folder)
    (folder / "1_SpladePooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    entries = [
        {"idx": place, "path": "1_SpladePooling" if place else "", "type": kind} for place, kind in enumerate(types)
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(CheckpointError, match=r"modules\.json"):
        LLM(str(folder), adapter="splade")


@pytest.mark.parametrize(
    "wanted",
    [{"seq_pooling_type": "MEAN"}, {"dimensions": 8}, {"enable_chunked_processing": True}],
    ids=lambda wanted: next(iter(wanted)),
)
def test_settings_of_other_models_are_refused(wanted: dict[str, Any], splade: Path) -> None:
    with pytest.raises(InvalidRequest, match="SPLADE"):
        LLM(str(splade), pooler_config=wanted)
