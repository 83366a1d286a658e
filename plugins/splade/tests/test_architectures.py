"""The architectures of the spec that have no look-alike of their own give sentence-transformers' numbers too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from sentence_transformers import SparseEncoder

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close
from cenote_splade import SPLADE

_TEXTS = ["water", "How deep is the well?", "Bread needs flour, water, salt and time; bread needs flour."]


#: Plain family whose tokenizer is used, class, and its sizes.
_TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_CASES = (
    ("bert", "AlbertForMaskedLM", {**_TINY, "embedding_size": 16, "vocab_size": 625}),
    ("roberta", "CamembertForMaskedLM", {**_TINY, "vocab_size": 565}),
    ("deberta_v2", "DebertaV2ForMaskedLM", None),
    ("electra", "ElectraForMaskedLM", None),
    ("eurobert", "EuroBertForMaskedLM", None),
    ("mpnet", "MPNetForMaskedLM", None),
    ("xlm_roberta", "XLMRobertaForMaskedLM", None),
)


def _masked_lm(base: str, folder: Path, model_class: Any, config: Mapping[str, Any] | None) -> Path:
    """Write a masked language model with the tokenizer of a plain family, and with its config where none is given."""
    build_checkpoint(base, folder, sentence_transformers=False)
    stored = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(5)
    model = model_class(stored if config is None else model_class.config_class(**config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("base", "name", "config"), _CASES, ids=[case[1] for case in _CASES])
def test_a_masked_language_model_gives_the_numbers_of_the_reference(
    base: str, name: str, config: Mapping[str, Any] | None, tmp_path: Path
) -> None:
    assert name in SPLADE.architectures
    folder = _masked_lm(base, tmp_path / "model", getattr(transformers, name), config)
    expected = SparseEncoder(str(folder), device="cpu").encode(_TEXTS, convert_to_sparse_tensor=False)
    with LLM(str(folder), adapter="splade") as llm:
        assert llm.report()["head"] == name
        found = [output.outputs.data for output in llm.encode(_TEXTS, pooling_task="embed")]
    assert_all_close(found, list(expected), tolerance=2e-5)
