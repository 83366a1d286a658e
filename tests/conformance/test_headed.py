"""The conformance kit on classifiers and rerankers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from cenote.testing.adapter import AdapterConformance, Reference
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora


class HeadedConformance(AdapterConformance):
    """The kit on one family: subclasses name it."""

    family = ""
    #: Rerankers without files of their own are known by the name of their folder.
    folder = "model"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(cls.family, tmp_path_factory.mktemp(cls.family) / cls.folder)


class TestSequenceClassifier(HeadedConformance):
    family = "bert_classifier"
    tasks = ("classify", "token_classify")
    activation = "softmax"
    lora = True

    @pytest.fixture(scope="class")
    @classmethod
    def classify_reference(cls, checkpoint: Path) -> Reference:
        return _with_transformers(AutoModelForSequenceClassification, checkpoint)

    @pytest.fixture(scope="class")
    @classmethod
    def lora_folder(cls, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("lora")
        return build_lora(
            checkpoint, folder, targets=["query", "value"], model_class="AutoModelForSequenceClassification"
        )


class TestTokenClassifier(HeadedConformance):
    family = "modernbert_token_classifier"
    tasks = ("token_classify",)
    activation = "softmax"

    @pytest.fixture(scope="class")
    @classmethod
    def classify_reference(cls, checkpoint: Path) -> Reference:
        return _with_transformers(AutoModelForTokenClassification, checkpoint)


class TestCrossEncoder(HeadedConformance):
    family = "ms_marco_minilm"
    tasks = ("classify", "token_classify", "score")

    @pytest.fixture(scope="class")
    @classmethod
    def score_reference(cls, checkpoint: Path) -> Reference:
        return CrossEncoder(str(checkpoint), device="cpu").predict


class TestRerankerWithAPromptOfItsOwn(HeadedConformance):
    family = "qwen3_reranker"
    folder = "Qwen3-Reranker-0.6B"
    tasks = ("classify", "token_classify", "score")
    reads = "pairs"


def _with_transformers(kind: Any, checkpoint: Path) -> Reference:
    model, tokenizer = kind.from_pretrained(checkpoint).eval(), AutoTokenizer.from_pretrained(checkpoint)

    @torch.inference_mode()
    def compute(texts: Sequence[str]) -> list[Any]:
        batches = (tokenizer(text, truncation=True, return_tensors="pt") for text in texts)
        return [model(**batch).logits[0].softmax(-1) for batch in batches]

    return compute
