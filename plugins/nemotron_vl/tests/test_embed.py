"""Vectors of texts and images: those of the model's own composition, whatever runs beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote import LLM, PoolingParams
from cenote.testing.pictures import sample_picture
from cenote_nemotron_vl.tiling import choose_grid, possible_grids

CONTEXT = 565
PICTURES = (sample_picture(64, 64, seed=1), sample_picture(150, 60, seed=2), sample_picture(40, 190, seed=3))


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Path]) -> Path:
    return folder_of("llama_nemotron_vl")


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(str(folder))


def _prompt(image: Image.Image | list[Image.Image], text: str | None = None) -> Any:
    return {"multi_modal_data": {"image": image}, **({} if text is None else {"prompt": text})}


def _embed(llm: LLM, prompts: list[Any], **options: Any) -> list[Any]:
    return [np.array(output.outputs.embedding) for output in llm.embed(prompts, **options)]


def test_an_image_gets_the_vector_of_the_model_itself(llm: LLM, folder: Path, reference: Any) -> None:
    model = reference.language_model(folder, "language_model.")
    for image in PICTURES:
        columns, rows = choose_grid(image.width, image.height, possible_grids(1, 6), 64)
        seen = reference.vision_rows(folder, reference.tile_by_crops(image, columns, rows, 64, thumbnail=True))
        for text in (None, "A cenote."):
            (output,) = llm.embed([_prompt(image, text)], role="document")
            mean = reference.hidden_states(model, output.prompt_token_ids, seen, CONTEXT).mean(0)
            assert np.abs(np.array(output.outputs.embedding) - (mean / mean.norm()).numpy()).max() < 2e-5


def test_a_text_gets_the_vector_of_the_model_itself(llm: LLM, folder: Path, reference: Any) -> None:
    model = reference.language_model(folder, "language_model.")
    (output,) = llm.embed(["What fills a cenote?"], role="query")
    mean = reference.hidden_states(model, output.prompt_token_ids).mean(0)
    assert np.abs(np.array(output.outputs.embedding) - (mean / mean.norm()).numpy()).max() < 2e-5


def test_a_vector_is_not_normalised_where_that_is_not_wanted(llm: LLM, folder: Path, reference: Any) -> None:
    model = reference.language_model(folder, "language_model.")
    params = PoolingParams(use_activation=False)
    (output,) = llm.embed(["What fills a cenote?"], pooling_params=params, role="query")
    mean = reference.hidden_states(model, output.prompt_token_ids).mean(0).numpy()
    assert np.abs(np.array(output.outputs.embedding) - mean).max() < 2e-5 * np.abs(mean).max()


def test_a_batch_of_texts_and_images_equals_each_alone(llm: LLM) -> None:
    prompts = [*map(_prompt, PICTURES), "a text", _prompt(PICTURES[1], "with words"), "another, longer text of words"]
    together = _embed(llm, prompts, role="document")
    for prompt, vector in zip(prompts, together, strict=True):
        assert np.abs(_embed(llm, [prompt], role="document")[0] - vector).max() < 2e-6


def test_later_words_change_what_stands_before_them(llm: LLM) -> None:
    first, other = (
        llm.encode([_prompt(PICTURES[0], text)], pooling_task="token_embed")[0].outputs.data.numpy()
        for text in ("a b", "a c")
    )
    assert first.shape == other.shape
    assert np.abs(first[0] - other[0]).max() > 1e-4


def test_several_images_of_one_prompt_count_in_their_order(llm: LLM) -> None:
    one, other = _embed(llm, [_prompt([PICTURES[0], PICTURES[1]]), _prompt([PICTURES[1], PICTURES[0]])])
    assert np.abs(one - other).max() > 1e-4


def test_patches_say_in_which_tile_they_are(llm: LLM) -> None:
    (output,) = llm.encode([_prompt(PICTURES[1], "words")], pooling_task="token_embed")
    patches = [place for place in output.outputs.positions or [] if isinstance(place, list)]
    tiles = output.prompt_token_ids.count(CONTEXT) // 4
    assert tiles > 2
    assert patches == [[tile, row, column] for tile in range(tiles) for row in range(2) for column in range(2)]


def test_fewer_tiles_are_made_where_the_user_says_so(folder: Path) -> None:
    few = LLM(str(folder), mm_processor_kwargs={"max_input_tiles": 1})
    (output,) = few.embed([_prompt(PICTURES[1])])
    assert output.prompt_token_ids.count(CONTEXT) == 4
    assert "4 (user)" in few.report()["image tokens"]
