"""Run by test_kit.py: a model that leaks between neighbours."""

import pytest

from cenote.engine import LLM
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


class Leaky(LLM):
    # Adds a little of each text's neighbour, as attention without sequence borders does.
    def encode(self, prompts, *args, **kwargs):
        outputs = super().encode(prompts, *args, **kwargs)
        rows = [output.outputs.data for output in outputs]
        for output, neighbour in zip(outputs, [None, *rows], strict=False):
            if neighbour is not None and neighbour.shape == output.outputs.data.shape:
                output.outputs.data = output.outputs.data + 1e-3 * neighbour
        return outputs


class TestLeaky(AdapterConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint):
        with Leaky(str(checkpoint)) as model:
            yield model
