"""The conformance kit on the pooling methods and poolers of the core."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cenote.poolers import (
    ClassifierHead,
    EmbeddingHead,
    IdentityPooler,
    Pooler,
    SequenceClassifier,
    SequencePooler,
    TaskPooler,
    TokenClassifier,
    TokenPooler,
    get_method,
)
from cenote.registry import default_registry
from cenote.testing.poolers import PoolerConformance

#: Three labels of 16 hidden columns.
_WEIGHT = torch.linspace(-1, 1, 48).view(16, 3)
_HEAD = ClassifierHead(activation=lambda rows: rows.softmax(-1))


class TestCls(PoolerConformance):
    method = "CLS"


class TestLast(PoolerConformance):
    method = "LAST"


class TestMean(PoolerConformance):
    method = "MEAN"


class TestMax(PoolerConformance):
    method = "MAX"


class TestMeanSqrtLen(PoolerConformance):
    method = "MEAN_SQRT_LEN"


class TestWeightedMean(PoolerConformance):
    method = "WEIGHTED_MEAN"


class TestSeveralMethods(PoolerConformance):
    method = "CLS+MEAN"


def test_every_method_of_the_core_is_tested_here() -> None:
    tested = {cls.method for cls in PoolerConformance.__subclasses__()}
    offers = default_registry().entries("cenote.poolers")
    own = [name for name, entries in offers.items() if entries[0].distribution == "cenote"]
    assert set(own) <= tested


class TestEmbedderPooler(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls) -> Pooler:
        sequence = SequencePooler(get_method("MEAN"), EmbeddingHead())
        return TaskPooler({"embed": sequence, "token_embed": TokenPooler(EmbeddingHead())})


class TestClassifierPooler(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls) -> Pooler:
        def first(hidden: Any, batch: Any) -> Any:
            return get_method("CLS")(hidden, batch.lengths, [0] * len(batch.lengths)) @ _WEIGHT

        tokens = TokenClassifier(lambda hidden, batch: hidden.float() @ _WEIGHT, _HEAD)
        return TaskPooler({"classify": SequenceClassifier(first, _HEAD), "token_classify": tokens})


class TestIdentityPooler(PoolerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def pooler(cls) -> Pooler:
        return IdentityPooler()
