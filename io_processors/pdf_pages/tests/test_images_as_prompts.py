"""Images as prompts: the numbers are those of transformers, alone and in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPVisionModel

from cenote import LLM
from cenote.errors import InvalidRequest


@pytest.fixture(scope="module")
def expected(vision_folder: Path, pictures: list[Image.Image]) -> list[torch.Tensor]:
    """Hidden states of each image, run by transformers at batch 1."""
    model = CLIPVisionModel.from_pretrained(vision_folder).eval()
    processor = CLIPImageProcessorPil.from_pretrained(vision_folder)
    states = []
    for image in pictures:
        upright = image.height > image.width
        size = {"height": 48, "width": 32} if upright else {"height": 32, "width": 56}
        pixels = processor(image, size=size, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            states.append(model(pixels, interpolate_pos_encoding=True).last_hidden_state[0])
    assert len({state.shape for state in states}) == 2
    return states


def prompts_of(pictures: list[Image.Image]) -> list[Any]:
    return [{"multi_modal_data": {"image": picture}} for picture in pictures]


def test_vectors_are_those_of_transformers_alone_and_in_batch(
    seer: LLM, pictures: list[Image.Image], expected: list[torch.Tensor]
) -> None:
    prompts = prompts_of(pictures)
    together = seer.encode(prompts, pooling_task="embed")
    alone = [seer.encode(prompt, pooling_task="embed")[0] for prompt in prompts]
    for state, *outputs in zip(expected, together, alone, strict=True):
        wanted = torch.nn.functional.normalize(state[0], dim=0)
        for output in outputs:
            torch.testing.assert_close(output.outputs.data, wanted, atol=1e-6, rtol=1e-5)
            assert len(output.prompt_token_ids) == len(state)


def test_so_are_those_of_patches(seer: LLM, pictures: list[Image.Image], expected: list[torch.Tensor]) -> None:
    outputs = seer.encode(prompts_of(pictures), pooling_task="token_embed")
    for state, output in zip(expected, outputs, strict=True):
        wanted = torch.nn.functional.normalize(state, dim=1)
        torch.testing.assert_close(output.outputs.data, wanted, atol=1e-6, rtol=1e-5)


def test_what_the_model_does_not_read_is_refused(seer: LLM, reader: LLM, pictures: list[Image.Image]) -> None:
    with pytest.raises(InvalidRequest, match="Prompt 1: This model reads one image and no text"):
        seer.embed([prompts_of(pictures)[0], "text"])
    for prompt in (prompts_of(pictures)[0], {"prompt": "a page", **prompts_of(pictures)[0]}):
        with pytest.raises(InvalidRequest, match="This model reads text only") as refused:
            reader.embed(prompt)
        assert refused.value.param == "multi_modal_data"
