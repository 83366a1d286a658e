"""The conformance kit catches models that are careless with images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CARELESS = """
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
        for output, neighbour in zip(outputs, means):
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
"""


def test_a_model_that_is_careless_with_images_is_caught(tmp_path: Path) -> None:
    (tmp_path / "test_generated.py").write_text(_CARELESS)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    words = "image or picture or transparent or placeholder"
    done = subprocess.run([*command, "-k", words, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path)
    for name in (
        "a_batch_of_unlike_images_equals_each_alone[token_embed]",
        "images_and_texts_share_batches",
        "a_text_beside_an_image_counts",
        "an_image_is_turned_as_its_file_says",
        "what_is_transparent_is_white",
        "broken_images_are_refused_and_their_neighbours_answered",
        "the_vectors_of_an_image_name_their_patches",
    ):
        assert f"FAILED test_generated.py::TestCareless::test_{name}" in done.stdout
    for name in ("different_images_give_different_results[token_embed]", "more_images_than_allowed_are_refused"):
        assert f"PASSED test_generated.py::TestCareless::test_{name}" in done.stdout
