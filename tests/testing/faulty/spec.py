"""Run by test_kit.py: a spec that promises something else than its model can do."""

import pytest

from cenote.registry import ArchitectureSpec, default_registry
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint

SPEC = ArchitectureSpec(
    name="liar",
    architectures=("BertModel",),
    adapter="cenote.adapters.embed:EmbedderAdapter",
    tasks=("embed", "classify"),
    markers=("config:liar=true",),
    modalities=("text", "image"),
)


class TestLiar(AdapterConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        undo = default_registry().register("cenote.architectures", "BertModel", SPEC)
        yield build_checkpoint("bert", tmp_path_factory.mktemp("bert"), config={"liar": True})
        undo()
