"""Run by test_kit.py: a model that is careless with images."""

import io

import pytest
from PIL import Image

from cenote.engine import LLM
from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


def decoded(prompt):
    # Forgets what a file says of turning and what is transparent, and that files may be broken.
    if not isinstance(prompt, dict) or "multi_modal_data" not in prompt:
        return prompt
    given = prompt["multi_modal_data"]["image"]
    image = Image.open(io.BytesIO(given)) if isinstance(given, bytes) else given
    image = image if isinstance(image, (list, str)) else Image.fromarray(image) if hasattr(image, "ndim") else image
    if isinstance(image, Image.Image):
        image = Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())
    return {**prompt, "multi_modal_data": {"image": image}}


class Careless(LLM):
    # Adds a little of each neighbour, and takes rows for columns.
    def encode(self, prompts, *args, **kwargs):
        outputs = super().encode([decoded(prompt) for prompt in prompts], *args, **kwargs)
        means = [0.0, *(float(output.outputs.data.mean()) for output in outputs)]
        for output, neighbour in zip(outputs, means, strict=False):
            output.outputs.data = output.outputs.data + 1e-2 * neighbour
            places = output.outputs.positions or []
            places[:] = [place[::-1] if isinstance(place, list) else place for place in places]
        return outputs


class TestCareless(AdapterConformance):
    tasks = ("token_embed",)
    pooling = "ALL"
    late_interaction = True
    image = True
    placeholder = "<|image_pad|>"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        return build_checkpoint("colqwen3", tmp_path_factory.mktemp("colqwen3"))

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint):
        with Careless(str(checkpoint)) as model:
            yield model


# What texts get is tested with other models.
for name in dir(TestCareless):
    if name.startswith("test_") and not any(
        word in name for word in ("image", "picture", "transparent", "placeholder")
    ):
        setattr(TestCareless, name, None)
