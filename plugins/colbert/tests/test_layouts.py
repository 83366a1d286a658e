"""Reading every layout, with what its files may lack or hold besides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from cenote import LLM
from cenote.errors import CheckpointError
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close

_SETTINGS = "config_sentence_transformers.json"
_PADDING = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}


def _report(folder: Path, **options: Any) -> dict[str, str]:
    with LLM(str(folder), **options) as model:
        return model.report()


def test_the_report_names_every_value_and_its_file(loaded: Callable[[str], LLM]) -> None:
    report = loaded("colbert_v2").report()
    assert report["layout"] == "colbert-ai (files)"
    assert report["query length"] == "32 (artifact.metadata)"
    assert report["document marker"] == "'[unused1]' (artifact.metadata)"
    assert report["query expansion"] == "to 32 tokens, not attended to (always in colbert-ai)"
    assert report["skiplist words"] == "32 words of document (artifact.metadata)"
    assert report["projection"] == "16 (linear.weight)"
    assert report["max tokens"] == "48 (model_default)"
    assert loaded("gte_moderncolbert").report()["max tokens"] == "48 (sentence_transformers)"


def test_a_folder_without_artifact_metadata_has_the_values_of_colbert_ai(edited: Any) -> None:
    report = _report(edited("colbert_v2", {"artifact.metadata": None}))
    assert report["query length"] == "32 (default of colbert-ai)"
    assert report["query marker"] == "'[unused0]' (default of colbert-ai)"
    assert report["document length"] == "160 (limit of the backbone)"  # of 220, colbert-ai's default
    assert report["max tokens"].startswith("160")


def test_absent_keys_of_pylate_have_its_defaults(edited: Any) -> None:
    keys = ("query_prefix", "document_prefix", "query_length", "document_length", "attend_to_expansion_tokens")
    absent = dict.fromkeys((*keys, "skiplist_words", "do_query_expansion"))
    report = _report(edited("gte_moderncolbert", {_SETTINGS: absent}))
    assert report["query length"] == "32 (default of PyLate)"
    assert report["document length"] == "180 (default of PyLate)"
    assert report["query marker"] == "'[Q] ' (default of PyLate)"
    assert report["query expansion"] == "to 32 tokens, not attended to (default of PyLate)"
    assert report["skiplist words"] == "32 words of document (default of PyLate)"


@pytest.mark.parametrize("changes", [{"safetensors": False}, {"sharded": True}, {"pooler": False}, {"prefix": ""}])
def test_forms_of_the_weights_give_the_same(
    tmp_path: Path, loaded: Callable[[str], LLM], vectors: Any, texts: list[str], changes: dict[str, Any]
) -> None:
    folder = build_checkpoint("colbert_v2", tmp_path / "model", **changes)
    with LLM(str(folder)) as model:
        found = vectors(model, texts[:3])
    assert_all_close(found, vectors(loaded("colbert_v2"), texts[:3]), tolerance=1e-6)


def test_a_missing_residual_key_is_none(edited: Any, loaded: Any, vectors: Any, texts: list[str]) -> None:
    folder = edited("gte_moderncolbert", {"1_Dense/config.json": {"use_residual": None}})
    with LLM(str(folder)) as model:
        assert_all_close(vectors(model, texts[:2]), vectors(loaded("gte_moderncolbert"), texts[:2]), tolerance=1e-6)


def test_tensors_of_the_backbone_that_are_missing_are_not_made_up(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folder_of("colbert_v2"), tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["bert.encoder.layer.0.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="not in the weight files"):
        LLM(str(folder))


def test_tokenizers_of_pylate_remember_the_length_of_the_last_text_only(edited: Any) -> None:
    folder = edited("gte_moderncolbert", {"tokenizer_config.json": {"model_max_length": 31}})
    with LLM(str(folder)) as model:
        assert model.limits.max_tokens == 48


@pytest.mark.parametrize("family", ["gte_moderncolbert", "lfm2_colbert", "multi_vector_encoder"])
def test_tokenizers_remember_the_padding_of_the_last_text_only(
    edited: Any, folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], vectors: Any, family: str
) -> None:
    """PyLate's `save` after `encode(..., is_query=True)` stores that texts are filled up to a query's length."""
    stored = json.loads((folder_of(family) / "tokenizer.json").read_text())
    fixed = {**(stored["padding"] or _PADDING), "strategy": {"Fixed": 31}}
    folder = edited(family, {"tokenizer.json": {"padding": fixed}})
    with LLM(str(folder)) as model:
        for role in ("query", "document"):
            expected = vectors(loaded(family), ["what is it"], role)
            assert_all_close(vectors(model, ["what is it"], role), expected, tolerance=1e-6)


def test_the_length_that_a_user_gives_is_that_of_documents(folder_of: Callable[[str], Path]) -> None:
    with LLM(str(folder_of("gte_moderncolbert")), max_model_len=24) as model:
        assert model.limits.max_tokens == 24
        assert model.report()["max tokens"] == "24 (user)"
        assert model.report()["document length"] == "24 (user)"
        assert model.report()["query length"] == "32 (config_sentence_transformers.json)"
    with LLM(str(folder_of("gte_moderncolbert")), max_model_len=100) as model:
        assert model.limits.max_tokens == 100
    with LLM(str(folder_of("multi_vector_encoder")), max_model_len=48) as model:
        assert model.report()["document length"] == "48 (user)"


def test_jina_colbert_takes_markers_and_attention_of_its_card(edited: Any) -> None:
    stored = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "attend_to_mask_tokens": False, "dim": 768}
    report = _report(edited("jina_colbert_v2", {"artifact.metadata": stored}))
    assert report["query marker"] == "'[QueryMarker]' (model card)"
    assert report["query expansion"] == "to 32 tokens, attended to (model card)"
    report = _report(edited("jina_colbert_v2", {"artifact.metadata": None}))
    assert report["document length"] == "300 (default of the model card)"


def test_the_rotary_base_of_jina_colbert_is_that_of_its_file(edited: Any, loaded: Any, vectors: Any) -> None:
    text = "a text of some length, so that positions matter " * 2
    (own,) = vectors(loaded("jina_colbert_v2"), [text])
    for base, same in ((None, True), (20000.0, False)):
        with LLM(str(edited("jina_colbert_v2", {"config.json": {"rotary_emb_base": base}}))) as model:
            assert bool(abs(vectors(model, [text])[0] - own).max() < 1e-6) is same
