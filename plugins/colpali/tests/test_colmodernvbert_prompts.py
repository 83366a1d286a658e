"""Every form of a prompt of ColModernVBERT: what is written around a text or an image, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote_colpali.composing import PLACEHOLDER

_NAME = "colmodernvbert"
_ENDS = "<end_of_utterance>" * 10
_FAKE = "<fake_token_around_image>"
_PATCHES = PLACEHOLDER * 4
#: An image of 2 x 1 is cut into 2 rows of 4 tiles, by the longest edge of the look-alike's files.
_WIDE = (100, 50)
_TILES = (
    "\n".join("".join(f"{_FAKE}<row_{row}_col_{column}>{_PATCHES}" for column in range(1, 5)) for row in (1, 2))
    + f"\n\n{_FAKE}<global-img>{_PATCHES}{_FAKE}"
)
_PROMPT = "<|begin_of_text|>User:{}Describe the image.<end_of_utterance>\nAssistant:"

Encode = Callable[..., list[Any]]
Ids = Callable[[str, str], list[int]]


def _page(image: Any, text: str = "") -> Mapping[str, Any]:
    return {"prompt": text, "multi_modal_data": {"image": image}}


@pytest.fixture
def model(loaded: Callable[..., LLM]) -> LLM:
    return loaded(_NAME)


@pytest.mark.parametrize("role", ["query", "document", None])
@pytest.mark.parametrize("text", ["what is shown?", " two\n\nlines ", ""])
def test_every_text_is_written_as_a_query(text: str, role: Any, model: LLM, encode: Encode, ids_of: Ids) -> None:
    (output,) = encode(model, [text], role=role)
    assert list(output.prompt_token_ids) == ids_of(_NAME, f"[CLS]{text}{_ENDS}[SEP]")
    assert output.outputs.data.shape == (len(output.prompt_token_ids), 16)


def test_an_image_is_written_as_its_tiles_within_the_models_own_prompt(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    (output,) = encode(model, [_page(picture(*_WIDE))], role="document")
    assert list(output.prompt_token_ids) == ids_of(_NAME, f"[CLS]{_PROMPT.format(_TILES)}[SEP]")
    places = [place for place in output.outputs.positions if isinstance(place, list)]
    assert places == [[tile, row, column] for tile in range(9) for row in range(2) for column in range(2)]


def test_prefix_and_prompt_come_from_the_file_of_the_processor(
    edited: Any, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    prompts = {"query_prefix": "Find: ", "visual_prompt_prefix": "Look: <image>"}
    with LLM(str(edited(_NAME, {"processor_config.json": prompts}))) as model:
        text, page = encode(model, ["a", _page(picture(*_WIDE))])
    assert list(text.prompt_token_ids) == ids_of(_NAME, f"[CLS]Find: a{_ENDS}[SEP]")
    assert list(page.prompt_token_ids) == ids_of(_NAME, f"[CLS]Look: {_TILES}[SEP]")


def test_a_prompt_that_holds_the_placeholder_is_the_whole_text(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    own, bare, two = encode(
        model,
        [
            _page(picture(*_WIDE), _PROMPT.format(PLACEHOLDER)),
            _page(picture(*_WIDE)),
            _page([picture(*_WIDE), picture(*_WIDE, seed=1)], f"a {PLACEHOLDER} b {PLACEHOLDER}"),
        ],
    )
    assert own.prompt_token_ids == bare.prompt_token_ids
    np.testing.assert_allclose(own.outputs.data.numpy(), bare.outputs.data.numpy(), atol=2e-6)
    assert list(two.prompt_token_ids) == ids_of(_NAME, f"[CLS]a {_TILES} b {_TILES}[SEP]")


def test_text_beside_an_image_is_refused_except_for_the_models_own_prompt(
    model: LLM, encode: Encode, picture: Any
) -> None:
    with pytest.raises(InvalidRequest, match="a text or an image, not both"):
        encode(model, [_page(picture(), "a caption")])
    with pytest.raises(InvalidRequest, match="stands for an image"):
        encode(model, [f"what does {PLACEHOLDER} mean?"])
    own, bare = encode(model, [_page(picture(), "Describe the image."), _page(picture())])
    assert own.prompt_token_ids == bare.prompt_token_ids


def test_without_special_tokens_nothing_but_tiles_is_written(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    prompts = ["a b", _page(picture(*_WIDE), "a b"), _page(picture(*_WIDE), f"a {PLACEHOLDER}")]
    text, page, own = encode(model, prompts, tokenization_kwargs={"add_special_tokens": False})
    assert list(text.prompt_token_ids) == ids_of(_NAME, "a b")
    assert list(page.prompt_token_ids) == ids_of(_NAME, f"{_TILES}a b")
    assert list(own.prompt_token_ids) == ids_of(_NAME, f"a {_TILES}")


def test_images_need_not_be_cut(folder_of: Any, encode: Encode, ids_of: Ids, picture: Any) -> None:
    with LLM(str(folder_of(_NAME)), mm_processor_kwargs={"do_image_splitting": False}) as model:
        (page,) = encode(model, [_page(picture(*_WIDE))])
    whole = f"{_FAKE}<global-img>{_PATCHES}{_FAKE}"
    assert list(page.prompt_token_ids) == ids_of(_NAME, f"[CLS]{_PROMPT.format(whole)}[SEP]")
    assert [place for place in page.outputs.positions if isinstance(place, list)] == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_with_vllm_texts_are_plain_and_images_whole_and_in_front(
    loaded: Any, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    model = loaded(_NAME, compat="vllm")
    prompts = ["a b", _page(picture()), _page([picture(), picture(200, 20)], "a b")]
    text, page, both = encode(model, prompts, role="query")
    assert list(text.prompt_token_ids) == ids_of(_NAME, "[CLS]a b[SEP]")
    assert list(page.prompt_token_ids) == ids_of(_NAME, f"{_PATCHES}[CLS][SEP]")
    assert list(both.prompt_token_ids) == ids_of(_NAME, f"{_PATCHES * 2}[CLS]a b[SEP]")
