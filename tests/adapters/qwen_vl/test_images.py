"""Images as the model reads them: the numbers of transformers' image processor, bit for bit."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from cenote.adapters.qwen_vl import ImageRules, PreparedImage, patches_of, prepare_image
from cenote.adapters.qwen_vl.pixels import pixel_table, pixel_values
from cenote.errors import InvalidRequest
from cenote.media import MediaCache, Picture

QWEN3 = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}


def _rules(scale: dict[str, list[float]], patch: int = 16) -> ImageRules:
    return ImageRules(
        patch_size=patch,
        merge_size=2,
        temporal_patch_size=2,
        min_pixels=4096,
        max_pixels=40000,
        mean=tuple(scale["image_mean"]),
        std=tuple(scale["image_std"]),
    )


def _image(width: int, height: int, mode: str = "RGB") -> Image.Image:
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values, mode)


def _expected(image: Image.Image, rules: ImageRules, scale: dict[str, Any]) -> tuple[torch.Tensor, list[int]]:
    processor = Qwen2VLImageProcessorPil(
        patch_size=rules.patch_size,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": rules.min_pixels, "longest_edge": rules.max_pixels},
        **scale,
    )
    found = processor(images=[image], return_tensors="pt")
    return found["pixel_values"], found["image_grid_thw"][0].tolist()


def _values(prepared: PreparedImage, rules: ImageRules) -> torch.Tensor:
    width = 3 * rules.temporal_patch_size * rules.patch_size**2
    return pixel_values(torch.from_numpy(prepared.patches), pixel_table(rules), width)


@pytest.mark.parametrize(("scale", "patch"), [(QWEN3, 16), (CLIP, 16), (CLIP, 14)])
def test_numbers_are_those_of_transformers_bit_for_bit(scale: dict[str, Any], patch: int) -> None:
    rules = _rules(scale, patch)
    draw = random.Random(3)
    sizes = [(64, 64), (16, 48), (33, 31), (7, 900), (1, 1), (481, 481)]
    sizes += [(draw.randint(20, 400), draw.randint(20, 400)) for _ in range(25)]
    for width, height in sizes:
        image = _image(width, height)
        prepared = prepare_image(Picture.of_image(image), rules)
        expected, grid = _expected(image, rules, scale)
        assert list(prepared.grid) == grid, (width, height)
        assert torch.equal(_values(prepared, rules), expected), (width, height)


def _flattened(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1"])
def test_images_of_other_modes_become_rgb_first(mode: str) -> None:
    image = _image(90, 70).convert(mode) if mode in ("P", "1") else _image(90, 70, mode)
    rules = _rules(QWEN3)
    plain = _flattened(image) if mode == "RGBA" else image.convert("RGB")
    prepared = prepare_image(Picture.of_image(image), rules)
    assert torch.equal(_values(prepared, rules), _expected(plain, rules, QWEN3)[0])


def test_an_encoded_image_is_turned_as_exif_says() -> None:
    image, rules = _image(120, 40), _rules(QWEN3)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    image.save(data, "PNG", exif=exif)
    prepared = prepare_image(Picture.of_bytes(data.getvalue(), max_pixels=10**6), rules)
    expected, grid = _expected(image.transpose(Image.Transpose.ROTATE_270), rules, QWEN3)
    assert list(prepared.grid) == grid
    assert torch.equal(_values(prepared, rules), expected)


def test_bytes_are_held_and_not_floats() -> None:
    prepared = prepare_image(Picture.of_image(_image(64, 96)), _rules(QWEN3))
    assert prepared.patches.dtype == np.uint8
    assert prepared.nbytes == 64 * 96 * 3


def test_frames_of_a_video_become_layers_of_a_patch() -> None:
    rules = _rules(CLIP)
    frames = np.stack([np.asarray(_image(64, 32)), np.asarray(_image(64, 32).rotate(180))])
    table = pixel_table(rules)
    found = pixel_values(torch.from_numpy(patches_of(frames, rules)), table, 3 * 2 * 256).view(8, 3, 2, 256)
    for layer in range(2):
        alone = torch.from_numpy(patches_of(frames[layer : layer + 1], rules))
        expected = pixel_values(alone, table, 3 * 2 * 256).view(8, 3, 2, 256)
        assert torch.equal(found[:, :, layer], expected[:, :, layer])


def test_a_prepared_image_is_kept_for_equal_content_and_equal_rules() -> None:
    cache, image = MediaCache(10**7), _image(100, 60)
    first = prepare_image(Picture.of_image(image), _rules(QWEN3), cache)
    assert prepare_image(Picture.of_image(image.copy()), _rules(QWEN3), cache) is first
    assert prepare_image(Picture.of_image(image), _rules(QWEN3, 14), cache) is not first
    assert prepare_image(Picture.of_image(image.rotate(180)), _rules(QWEN3), cache) is not first
    assert (cache.hits, cache.queries) == (1, 4)


def test_a_narrow_image_is_refused_before_it_is_decoded() -> None:
    image = _image(900, 3)
    data = io.BytesIO()
    image.save(data, "PNG")
    broken = data.getvalue()[:60]  # its head alone
    with pytest.raises(InvalidRequest, match="900 x 3 pixels"):
        prepare_image(Picture.of_bytes(broken, max_pixels=10**6), _rules(QWEN3))
