"""Classifiers of families that no spec names: each kind of head and of execution; refusals, never wrong numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification

from cenote.adapters.base import LoadOptions
from cenote.adapters.classify import SequenceClassifierAdapter, TokenClassifierAdapter
from cenote.adapters.classify_load import load_headed
from cenote.adapters.packing import pack
from cenote.checkpoints import open_checkpoint
from cenote.config import PoolerConfig
from cenote.errors import CheckpointError
from cenote.testing.architectures import Architecture, build_architecture
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingBatch, PoolingParams, PoolingRow

OPTIONS = LoadOptions(pooler_config=PoolerConfig())
#: Sequence classifiers by model type, and what their heads were found to need.
SEQUENCE = {
    "albert": ("AlbertForSequenceClassification", "first token"),
    "bart": ("BartForSequenceClassification", "last token that is not padding"),
    "bloom": ("BloomForSequenceClassification", "last token"),
    "eurobert": ("EuroBertForSequenceClassification", "all tokens"),
    "fnet": ("FNetForSequenceClassification", "first token"),
    "gpt2": ("GPT2ForSequenceClassification", "last token"),
    "mobilebert": ("MobileBertForSequenceClassification", "first token"),
    "opt": ("OPTForSequenceClassification", "last token that is not padding"),
    "xlnet": ("XLNetForSequenceClassification", "last token"),
    "zamba": ("ZambaForSequenceClassification", "last token that is not padding"),
}
TOKENS = {
    "albert": "AlbertForTokenClassification",
    "gpt_oss": "GptOssForTokenClassification",
    "t5": "T5ForTokenClassification",
    "xlnet": "XLNetForTokenClassification",
}


def _differ(folder: Path, adapter: Any, reference: Any, task: str) -> tuple[float, str]:
    """Return the largest difference to transformers, relative to the largest logit, and what the head runs on."""
    model = adapter.load(open_checkpoint(str(folder)), OPTIONS)
    generator = torch.Generator().manual_seed(5)
    sequences = [(0, *torch.randint(10, 500, (size,), generator=generator).tolist(), 2) for size in (4, 11, 2)]
    params = PoolingParams(use_activation=False)
    rows = [PoolingRow(length=len(ids), tasks=(task,), params=params, token_ids=ids) for ids in sequences]
    with torch.inference_mode():
        results = model.pooler(model.forward(pack(sequences)), PoolingBatch(tuple(rows)))
        expected = [reference(input_ids=torch.tensor([ids]), use_cache=False).logits[0] for ids in sequences]
    largest = max(float(logits.abs().max()) for logits in expected)
    difference = max(
        float((result[task] - logits).abs().max()) for result, logits in zip(results, expected, strict=True)
    )
    return difference / largest, model.report()["head"].partition(" on ")[2]


@pytest.mark.parametrize("model_type", SEQUENCE)
def test_any_sequence_classifier_equals_transformers(model_type: str, tmp_path: Path) -> None:
    name, pooling = SEQUENCE[model_type]
    reference = build_architecture(Architecture(name=name, model_type=model_type), tmp_path)
    difference, found = _differ(tmp_path, SequenceClassifierAdapter, reference, "classify")
    assert difference < 2e-5
    assert found == pooling


@pytest.mark.parametrize("model_type", TOKENS)
def test_any_token_classifier_equals_transformers(model_type: str, tmp_path: Path) -> None:
    reference = build_architecture(Architecture(name=TOKENS[model_type], model_type=model_type), tmp_path)
    difference, found = _differ(tmp_path, TokenClassifierAdapter, reference, "token_classify")
    assert difference < 2e-5
    assert found == "every token"


def test_a_class_that_treats_its_base_model_otherwise_is_refused(tmp_path: Path) -> None:
    # Longformer's classifier gives its first token another attention than the base model does by itself.
    build_architecture(Architecture(name="LongformerForSequenceClassification", model_type="longformer"), tmp_path)
    with pytest.raises(CheckpointError, match="needs more of its base model"):
        SequenceClassifierAdapter.load(open_checkpoint(str(tmp_path)), OPTIONS)


class _ReadsEarlierLayers(BertForSequenceClassification):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        output = self.bert(input_ids, attention_mask=attention_mask, output_hidden_states=True)
        output.logits = self.classifier(output.hidden_states[0][:, 0])
        return output


def test_a_head_that_reads_earlier_layers_is_refused(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(build_checkpoint("bert_classifier", tmp_path)))
    with pytest.raises(CheckpointError, match="needs more of its base model"):
        load_headed(checkpoint, OPTIONS, _ReadsEarlierLayers)
