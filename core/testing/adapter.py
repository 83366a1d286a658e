"""Conformance tests of an adapter: subclass, name the checkpoint, and pytest runs them all.

    class TestMyModel(AdapterConformance):
        pooling = "LAST"

        @pytest.fixture(scope="class")
        @classmethod
        def checkpoint(cls, tmp_path_factory):
            return build_checkpoint("qwen3", tmp_path_factory.mktemp("model"))

The class attributes say what the model is like; a test that does not apply to such a model is deselected.
"""

from __future__ import annotations

from cenote.testing.conformance.base import Reference
from cenote.testing.conformance.batches import BatchTests
from cenote.testing.conformance.image_faults import ImageFaultTests
from cenote.testing.conformance.image_pairs import ImagePairTests
from cenote.testing.conformance.image_scores import ImageScoreTests
from cenote.testing.conformance.images import ImageTests
from cenote.testing.conformance.labels import ClassifierTests, ScoreTests
from cenote.testing.conformance.late import LateInteractionTests
from cenote.testing.conformance.limits import LimitTests, RefusalTests
from cenote.testing.conformance.sides import LoraTests, RoleTests
from cenote.testing.conformance.spec import SpecTests
from cenote.testing.conformance.vectors import SparseTests, TokenTests, VectorTests

__all__ = ["AdapterConformance", "Reference"]


class AdapterConformance(
    BatchTests,
    VectorTests,
    TokenTests,
    LateInteractionTests,
    ImageFaultTests,
    ImagePairTests,
    ImageScoreTests,
    ImageTests,
    SparseTests,
    ClassifierTests,
    ScoreTests,
    RoleTests,
    LoraTests,
    LimitTests,
    RefusalTests,
    SpecTests,
):
    """What every adapter must do; the attributes and fixtures are those of `AdapterBase`."""
