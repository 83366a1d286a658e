"""Images of a fixed size: transformers' own pixels, to the bit, and settings that are known or refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cenote.adapters.towers import FixedImages, PreparedPixels
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.media import MediaCache, Picture

CLIP = {
    "feature_extractor_type": "CLIPFeatureExtractor",
    "size": 32,
    "crop_size": 32,
    "do_center_crop": True,
    "do_resize": True,
    "do_normalize": True,
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
SIGLIP = {
    "image_processor_type": "SiglipImageProcessorFast",
    "size": {"height": 28, "width": 28},
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "SiglipProcessor",
}
IDEFICS = {
    "image_processor_type": "Idefics3ImageProcessor",
    "size": {"longest_edge": 128},
    "max_image_size": {"longest_edge": 64},
    "do_image_splitting": True,
}
FILES = {"clip": CLIP, "siglip": SIGLIP, "idefics3": IDEFICS}


def _checkpoint(folder: Path, values: dict[str, Any] | None, name: str = "preprocessor_config.json") -> Checkpoint:
    if values is not None:
        (folder / name).write_text(json.dumps(values))
    return Checkpoint(name="model", path=folder, config={})


def _image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _values(images: FixedImages, prepared: PreparedPixels) -> np.ndarray[Any, Any]:
    """Return what the tower computes of the bytes."""
    return np.stack([images.table[channel][prepared.pixels[:, channel]] for channel in range(3)], axis=1)


@pytest.mark.parametrize("size", [(40, 30), (30, 70), (200, 199), (5, 9)])
@pytest.mark.parametrize("kind", FILES)
def test_pixels_equal_transformers_to_the_bit(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    images = FixedImages.of(_checkpoint(tmp_path, FILES[kind]))
    image = _image(*size)
    expected = np.asarray(images.processor(image, return_tensors="np")["pixel_values"])
    prepared = images.prepare(Picture.of_image(image))
    assert images.kind == kind
    assert prepared.pixels.dtype == np.uint8
    found = _values(images, prepared)
    np.testing.assert_array_equal(found, expected[0] if kind == "idefics3" else expected)
    assert found.shape[2:] == images.tile


def test_tiles_of_idefics3_say_how_they_lie(tmp_path: Path) -> None:
    images = FixedImages.of(_checkpoint(tmp_path, IDEFICS))
    wide = images.prepare(Picture.of_image(_image(120, 60)))
    assert (wide.rows, wide.columns, len(wide.pixels)) == (1, 2, 3)
    whole = FixedImages.of(_checkpoint(tmp_path, IDEFICS), {"do_image_splitting": False})
    assert (len(whole.prepare(Picture.of_image(_image(120, 60))).pixels), whole.tile) == (1, (64, 64))


def test_settings_may_stand_in_the_file_of_the_whole_processor(tmp_path: Path) -> None:
    nested = {"image_processor": {**SIGLIP, "size": {"height": 14, "width": 14}}}
    _checkpoint(tmp_path, SIGLIP)
    assert FixedImages.of(_checkpoint(tmp_path, nested, "processor_config.json")).tile == (14, 14)


def test_the_user_has_the_last_word_on_sizes(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, SIGLIP)
    assert FixedImages.of(checkpoint, {"size": {"height": 56, "width": 56}}).tile == (56, 56)


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"image_mean": [0, 0, 0]}, "known are size"),
        ({"max_pixels": 3}, "known are size"),
        ({"size": {"shortest_edge": 56}}, "no images of one size"),
        ({"size": "large"}, "no images of one size"),
        ({"resample": "best"}, "no images of one size"),
    ],
)
def test_settings_of_the_user_that_cannot_be_are_refused(kwargs: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        FixedImages.of(_checkpoint(tmp_path, SIGLIP), kwargs)
    assert caught.value.param == "mm_processor_kwargs"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (None, "has neither preprocessor_config.json"),
        ({**SIGLIP, "image_processor_type": "Phi4ImageProcessor"}, "Phi4ImageProcessor.*known are CLIP"),
        ({key: value for key, value in SIGLIP.items() if key != "image_processor_type"}, "names the image processor"),
        ({**SIGLIP, "use_square_size": True}, "use_square_size, which SiglipImageProcessorPil does not know"),
        ({**SIGLIP, "size": {"shortest_edge": 30}}, "no images of one size"),
        ({**SIGLIP, "image_mean": [0.5, 0.5]}, "no images of one size"),
        ({**SIGLIP, "resample": 9}, "cannot be made of.*9 is not a valid Resampling"),
    ],
)
def test_files_that_are_not_known_are_refused(values: dict[str, Any] | None, told: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=told):
        FixedImages.of(_checkpoint(tmp_path, values))


def test_settings_of_older_files_that_change_nothing_are_passed_over(tmp_path: Path) -> None:
    picture = Picture.of_image(_image(90, 60))
    plain = FixedImages.of(_checkpoint(tmp_path, CLIP)).prepare(picture)
    older = {**CLIP, "use_square_size": False, "pad_width": None}
    assert (FixedImages.of(_checkpoint(tmp_path, older)).prepare(picture).pixels == plain.pixels).all()
    with pytest.raises(CheckpointError, match="use_square_size"):
        FixedImages.of(_checkpoint(tmp_path, {**CLIP, "use_square_size": True}))


def test_an_image_is_prepared_once_for_all_threads_and_kept_by_its_settings(tmp_path: Path) -> None:
    images = FixedImages.of(_checkpoint(tmp_path, CLIP))
    cache = MediaCache(1 << 20)
    pictures = [Picture.of_image(_image(90, 60)) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: images.prepare(picture, cache), pictures))
    assert all(other is found[0] for other in found)
    other = FixedImages.of(_checkpoint(tmp_path, CLIP), {"resample": 2}).prepare(pictures[0], cache)
    assert (other.pixels != found[0].pixels).any()
    assert found[0].nbytes == 3 * 32 * 32


def test_a_long_and_narrow_image_is_refused_where_it_would_grow(tmp_path: Path) -> None:
    picture = Picture.of_image(Image.new("RGB", (1, 4000)))
    with pytest.raises(InvalidRequest, match="at most 200 times as long"):
        FixedImages.of(_checkpoint(tmp_path, CLIP)).prepare(picture)
    assert FixedImages.of(_checkpoint(tmp_path, SIGLIP)).prepare(picture).pixels.shape == (1, 3, 28, 28)


def test_prepared_pixels_cannot_be_changed(tmp_path: Path) -> None:
    prepared = FixedImages.of(_checkpoint(tmp_path, CLIP)).prepare(Picture.of_image(_image(40, 40)))
    with pytest.raises(ValueError, match="read-only"):
        prepared.pixels[:] = 0
    assert torch.tensor(prepared.pixels).shape == (1, 3, 32, 32)
