"""Images: alone, with texts, of all forms and shapes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import AdapterBase, Alone, encode
from cenote.testing.pictures import sample_picture, sample_pictures

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageTests", "as_png", "as_prompt"]

_ORIENTATION, _TURNED_RIGHT = 0x0112, 6


class ImageTests(AdapterBase):
    """An image gets the same whatever form it comes in and whatever it comes with."""

    @pytest.fixture(scope="class")
    @classmethod
    def pictures(cls) -> list[Any]:
        """Images of Pillow to read: of unlike shapes, at least three."""
        return list(sample_pictures())

    @pytest.fixture(scope="class")
    @classmethod
    def each_picture(cls, model: LLM, pictures: list[Any]) -> Alone:
        """The results of a task, each picture in a call of its own; computed once."""
        known: dict[str, list[Any]] = {}

        def results(task: str) -> list[Any]:
            if task not in known:
                known[task] = [encode(model, [as_prompt(picture)], task)[0] for picture in pictures]
            return known[task]

        return results

    @needs("image")
    def test_a_batch_of_unlike_images_equals_each_alone(
        self, model: LLM, pictures: list[Any], each_picture: Alone, task: str
    ) -> None:
        for order in (1, -1):
            found = encode(model, [as_prompt(picture) for picture in pictures[::order]], task)[::order]
            assert_all_close(found, each_picture(task), tolerance=self.tolerance, name="batched images")

    @needs("image")
    def test_different_images_give_different_results(self, model: LLM, task: str) -> None:
        first, other = encode(model, [as_prompt(sample_picture(64, 64, seed=seed)) for seed in (0, 1)], task)
        assert first.shape == other.shape
        assert np.abs(first - other).max() > 100 * self.tolerance

    @needs("image", "texts")
    def test_images_and_texts_share_batches(
        self, model: LLM, texts: list[str], pictures: list[Any], each_alone: Alone, each_picture: Alone
    ) -> None:
        task = self.tasks[0]
        mixed = [part for picture in pictures for part in (as_prompt(picture), texts[0], texts[1])]
        found = encode(model, mixed, task)
        assert_all_close(found[0::3], each_picture(task), tolerance=self.tolerance, name="images beside texts")
        for place in (0, 1):
            for row in found[1 + place :: 3]:
                assert_close(row, each_alone(task)[place], tolerance=self.tolerance, name="a text beside images")

    @needs("image", "text beside image")
    def test_a_text_beside_an_image_counts(
        self, model: LLM, texts: list[str], pictures: list[Any], each_picture: Alone
    ) -> None:
        task = self.tasks[0]
        both = [{"prompt": text, **as_prompt(pictures[1])} for text in texts[:3]]
        found = [encode(model, [prompt], task)[0] for prompt in both]
        batch = encode(model, [both[0], as_prompt(pictures[0]), *both[1:]], task)
        assert_all_close([batch[0], *batch[2:]], found, tolerance=self.tolerance, name="images with texts")
        alone = each_picture(task)[1]
        assert all(row.shape != alone.shape or np.abs(row - alone).max() > 100 * self.tolerance for row in found)

    @needs("image")
    def test_a_picture_gives_the_same_in_every_form(self, model: LLM, pictures: list[Any], each_picture: Alone) -> None:
        task = self.tasks[0]
        for picture, expected in zip(pictures, each_picture(task), strict=True):
            data = as_png(picture)
            address = "data:image/png;base64," + base64.b64encode(data).decode()
            parts = [{"type": "image_url", "image_url": {"url": address}}]
            forms = {
                "bytes": as_prompt(data),
                "an array": as_prompt(np.asarray(picture)),
                "an address": as_prompt(address),
                "a message": {"messages": [{"role": "user", "content": parts}]},
            }
            for name, form in forms.items():
                assert (encode(model, [form], task)[0] == expected).all(), f"{name} differs from the image of Pillow"

    @needs("image")
    def test_an_image_is_turned_as_its_file_says(self, model: LLM, pictures: list[Any], each_picture: Alone) -> None:
        from PIL import Image

        upright = pictures[1]
        exif = Image.Exif()
        exif[_ORIENTATION] = _TURNED_RIGHT
        lying = upright.transpose(Image.Transpose.ROTATE_90)
        (found,) = encode(model, [as_prompt(as_png(lying, exif=exif))], self.tasks[0])
        assert (found == each_picture(self.tasks[0])[1]).all()

    @needs("image")
    def test_what_is_transparent_is_white(self, model: LLM) -> None:
        from PIL import Image

        clear = sample_picture(80, 60, "RGBA", seed=3)
        shown = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
        found, expected = encode(model, [as_prompt(clear), as_prompt(shown)], self.tasks[0])
        assert_close(found, expected, tolerance=self.tolerance, name="an image with transparent parts")


def as_prompt(image: Any) -> dict[str, Any]:
    """Return the prompt of an image alone."""
    return {"multi_modal_data": {"image": image}}


def as_png(image: Image, **options: Any) -> bytes:
    """Return a file of Portable Network Graphics; `options` are those of Pillow."""
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    return data.getvalue()
