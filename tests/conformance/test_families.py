"""Every family of look-alike checkpoints through the engine equals its reference library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cenote.engine import LLM
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import FAMILIES, build_checkpoint, family
from cenote.testing.references import (
    embed_with_sentence_transformers,
    embed_with_transformers,
    tokens_with_transformers,
)


class FamilyConformance(AdapterConformance):
    """The kit on one family: subclasses name it."""

    family: ClassVar[str]
    layout: ClassVar[dict[str, Any]] = {}
    #: How the engine must run the family.
    execution: ClassVar[str] = "packed"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(cls.family, tmp_path_factory.mktemp(cls.family), **cls.layout)

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Callable[..., Any]:
        if family(cls.family).native_layout:
            return embed_with_sentence_transformers(checkpoint)
        return embed_with_transformers(cls.family, checkpoint)

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls, checkpoint: Path) -> Callable[..., Any]:
        return tokens_with_transformers(cls.family, checkpoint)

    def test_it_runs_as_expected(self, model: LLM) -> None:
        assert model.report()["execution"].startswith(self.execution)


class TestBert(FamilyConformance):
    family = "bert"


class TestElectra(FamilyConformance):
    family = "electra"


class TestRoberta(FamilyConformance):
    family = "roberta"


class TestXlmRoberta(FamilyConformance):
    family = "xlm_roberta"


class TestDistilBert(FamilyConformance):
    family = "distilbert"
    pooling = "CLS"


class TestModernBert(FamilyConformance):
    family = "modernbert"
    pooling = "CLS"


class TestMPNet(FamilyConformance):
    family = "mpnet"
    execution = "padded"


class TestDebertaV2(FamilyConformance):
    family = "deberta_v2"
    execution = "padded"


class TestNomic(FamilyConformance):
    family = "nomic"


class TestGte(FamilyConformance):
    family = "gte"
    pooling = "CLS"


class TestQwen2(FamilyConformance):
    family = "qwen2"
    pooling = "LAST"


class TestQwen3(FamilyConformance):
    family = "qwen3"
    pooling = "LAST"


class TestLlama(FamilyConformance):
    family = "llama"
    pooling = "LAST"


class TestLlama3(FamilyConformance):
    family = "llama3"


class TestMistral(FamilyConformance):
    family = "mistral"
    pooling = "LAST"


class TestGemma(FamilyConformance):
    family = "gemma"
    pooling = "LAST"


class TestGemma2(FamilyConformance):
    family = "gemma2"
    pooling = "LAST"


class TestEmbeddingGemma(FamilyConformance):
    family = "embeddinggemma"


class TestBertPadded(FamilyConformance):
    """Padded execution of a family that packs gives the same."""

    family = "bert"
    options: ClassVar[dict[str, Any]] = {"execution": "padded"}
    execution = "padded"


class TestBertSeveralPoolings(FamilyConformance):
    family = "bert"
    pooling = "CLS+MEAN"
    layout: ClassVar[dict[str, Any]] = {"pooling": ("cls", "mean"), "normalize": False}
    normalized = False


class TestRobertaMaximum(FamilyConformance):
    family = "roberta"
    pooling = "MAX"
    layout: ClassVar[dict[str, Any]] = {"pooling": "max", "pooling_style": "mode"}


class TestQwen3WeightedMean(FamilyConformance):
    family = "qwen3"
    pooling = "WEIGHTED_MEAN"
    layout: ClassVar[dict[str, Any]] = {"pooling": "weightedmean", "normalize": False}
    normalized = False


class TestXlmRobertaRootLength(FamilyConformance):
    family = "xlm_roberta"
    pooling = "MEAN_SQRT_LEN"
    layout: ClassVar[dict[str, Any]] = {"pooling": "mean_sqrt_len_tokens", "normalize": False}
    normalized = False


class TestBertDenseTanh(FamilyConformance):
    """As LaBSE: a Dense module with an activation between pooling and normalisation."""

    family = "bert"
    linear_head = False
    layout: ClassVar[dict[str, Any]] = {"dense": [(24, "torch.nn.modules.activation.Tanh")]}
    token_reference = None


class TestModernBertMeanSharded(FamilyConformance):
    family = "modernbert"
    layout: ClassVar[dict[str, Any]] = {"pooling": "mean", "sharded": True}


class TestDistilBertPickled(FamilyConformance):
    family = "distilbert"
    pooling = "CLS"
    layout: ClassVar[dict[str, Any]] = {"safetensors": False}


def test_every_family_is_tested_here() -> None:
    tested = {cls.family for cls in FamilyConformance.__subclasses__()}
    assert tested == set(FAMILIES)
