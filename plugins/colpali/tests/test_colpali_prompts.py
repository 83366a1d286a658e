"""Every form of a prompt of ColPali: what is written around a text or an image, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from cenote import LLM, PoolingParams
from cenote.errors import InvalidRequest, PromptTooLong
from cenote_colpali.composing import PLACEHOLDER

_PAD = "<pad>" * 10
_PAGE = PLACEHOLDER * 16 + "<bos>Describe the image.\n"

Encode = Callable[..., list[Any]]
Ids = Callable[[str, str], list[int]]


def _page(image: Any, text: str = "") -> Mapping[str, Any]:
    return {"prompt": text, "multi_modal_data": {"image": image}}


def _chat(*parts: Any, role: str = "user") -> Mapping[str, Any]:
    return {"messages": [{"role": role, "content": list(parts)}]}


@pytest.fixture
def model(loaded: Callable[..., LLM]) -> LLM:
    return loaded("colpali")


@pytest.mark.parametrize("role", ["query", "document", None])
@pytest.mark.parametrize("text", ["what is shown?", " two\n\nlines ", "<pad> in the <bos> text", "", "\n"])
def test_every_text_is_written_as_a_query(text: str, role: Any, model: LLM, encode: Encode, ids_of: Ids) -> None:
    (output,) = encode(model, [text], role=role)
    assert list(output.prompt_token_ids) == ids_of("colpali", f"<bos>Question: {text}{_PAD}\n")
    assert output.outputs.data.shape == (len(output.prompt_token_ids), 16)


def test_an_image_stands_in_front_of_the_models_own_prompt(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    (output,) = encode(model, [_page(picture())], role="document")
    assert list(output.prompt_token_ids) == ids_of("colpali", _PAGE)
    places = [place for place in output.outputs.positions if isinstance(place, list)]
    assert places == [[row, column] for row in range(4) for column in range(4)]


def test_prefix_and_prompt_come_from_the_file_of_the_processor(
    edited: Any, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    prompts = {"query_prefix": "Find: ", "visual_prompt_prefix": "Look."}
    with LLM(str(edited("colpali", {"processor_config.json": prompts}))) as model:
        text, page = encode(model, ["a", _page(picture())])
        report = model.report()
    assert list(text.prompt_token_ids) == ids_of("colpali", f"<bos>Find: a{_PAD}\n")
    assert list(page.prompt_token_ids) == ids_of("colpali", PLACEHOLDER * 16 + "<bos>Look.\n")
    assert report["query prefix"] == "'Find: ' (processor_config.json)"


def test_the_user_has_the_last_word_on_the_prefix(folder_of: Any, encode: Encode, ids_of: Ids) -> None:
    own = {"late_interaction": {"query_prefix": "Query: "}}
    with LLM(str(folder_of("colpali")), hf_overrides=own) as model:
        (text,) = encode(model, ["a"])
        assert model.report()["query prefix"] == "'Query: ' (user)"
    assert list(text.prompt_token_ids) == ids_of("colpali", f"<bos>Query: a{_PAD}\n")


def test_text_beside_an_image_is_refused_except_for_the_models_own_prompt(
    model: LLM, encode: Encode, picture: Any
) -> None:
    with pytest.raises(InvalidRequest, match="a text or an image, not both"):
        encode(model, [_page(picture(), "a caption")])
    own, bare = encode(model, [_page(picture(), "Describe the image."), _page(picture())])
    assert own.prompt_token_ids == bare.prompt_token_ids


def test_a_prompt_that_holds_the_placeholder_is_the_whole_layout(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    two = [picture(seed=1), picture(seed=2)]
    literal = f"<bos>first {PLACEHOLDER} second {PLACEHOLDER} end\n"
    (output,) = encode(model, [_page(two, literal)])
    assert list(output.prompt_token_ids) == ids_of("colpali", literal.replace(PLACEHOLDER, PLACEHOLDER * 16))
    with pytest.raises(InvalidRequest, match="2 placeholders '<image>' for 1 images"):
        encode(model, [_page(two[0], literal)])


def test_a_placeholder_without_an_image_is_refused(model: LLM, encode: Encode) -> None:
    with pytest.raises(InvalidRequest, match="stands for an image"):
        encode(model, [f"what does {PLACEHOLDER} mean?"])


def test_a_placeholder_in_a_content_beside_an_image_is_refused(model: LLM, encode: Encode, picture: Any) -> None:
    caption = f"a {PLACEHOLDER} caption"
    image, text = {"type": "image_pil", "image_pil": picture()}, {"type": "text", "text": caption}
    with pytest.raises(InvalidRequest, match="contains '<image>'"):
        encode(model, [_chat(image, text)])
    for item in ({"content": [image, text]}, {"image": picture(), "text": caption}):
        with pytest.raises(InvalidRequest, match="contains '<image>'"):
            model.score("a query", [item], use_tqdm=False)


def test_several_images_want_a_prompt_of_their_own(model: LLM, encode: Encode, picture: Any) -> None:
    with pytest.raises(InvalidRequest, match="one image per prompt, got 2"):
        encode(model, [_page([picture(), picture()])])


def test_a_conversation_of_one_message_is_its_content(model: LLM, encode: Encode, picture: Any) -> None:
    image = {"type": "image_pil", "image_pil": picture()}
    chats = [_chat(image, role="document"), _chat({"type": "text", "text": "a"}, role="query")]
    assert [output.prompt_token_ids for output in encode(model, chats)] == [
        output.prompt_token_ids for output in encode(model, [_page(picture()), "a"])
    ]
    with pytest.raises(InvalidRequest, match="a text or an image, not both"):
        encode(model, [_chat(image, {"type": "text", "text": "a caption"})])


def test_without_special_tokens_nothing_is_written_around(
    model: LLM, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    plain = {"tokenization_kwargs": {"add_special_tokens": False}}
    text, page = encode(model, ["a b", _page(picture(), "a b")], **plain)
    assert list(text.prompt_token_ids) == ids_of("colpali", "a b")
    assert list(page.prompt_token_ids) == ids_of("colpali", PLACEHOLDER * 16 + "a b")


def test_a_cut_text_keeps_what_stands_around_it(model: LLM, encode: Encode, ids_of: Ids) -> None:
    whole = ids_of("colpali", f"<bos>Question: one two three four five six{_PAD}\n")
    (output,) = encode(
        model,
        ["one two three four five six"],
        pooling_params=PoolingParams(),
        tokenization_kwargs={"truncate_prompt_tokens": len(whole) - 2},
    )
    ids = list(output.prompt_token_ids)
    assert len(ids) == len(whole) - 2
    assert ids[-11:] == whole[-11:]
    assert ids[: len(ids) - 11] == whole[: len(ids) - 11]


def test_an_image_longer_than_the_limit_is_refused(folder_of: Any, encode: Encode, picture: Any) -> None:
    with (
        LLM(str(folder_of("colpali")), max_model_len=16) as model,
        pytest.raises(PromptTooLong, match="have 16 tokens, but this model takes at most 16"),
    ):
        encode(model, [_page(picture())])


def test_token_ids_hold_one_placeholder_per_image(model: LLM, encode: Encode, ids_of: Ids, picture: Any) -> None:
    ids = ids_of("colpali", f"{PLACEHOLDER}<bos>Describe the image.\n")
    given, written = encode(
        model,
        [{"prompt_token_ids": ids, "multi_modal_data": {"image": picture()}}, _page(picture())],
    )
    assert given.prompt_token_ids == written.prompt_token_ids
    np.testing.assert_allclose(given.outputs.data.numpy(), written.outputs.data.numpy(), atol=2e-6)


def test_embeddings_of_images_are_refused(model: LLM, encode: Encode) -> None:
    made = {"image_embeds": [[0.0]], "image_grid_thw": [[1, 4, 4]]}
    with pytest.raises(InvalidRequest, match="mbeddings"):
        encode(model, [{"prompt": "", "multi_modal_data": {"image": made}}])


def test_with_vllm_texts_are_plain_and_images_stand_in_front(
    loaded: Any, encode: Encode, ids_of: Ids, picture: Any
) -> None:
    model = loaded("colpali", compat="vllm")
    text, page, both = encode(model, ["a b", _page(picture()), _page([picture(), picture()], "a b")], role="query")
    assert list(text.prompt_token_ids)[-2:] == ids_of("colpali", "a b")[-2:]
    assert list(page.prompt_token_ids) == ids_of("colpali", PLACEHOLDER * 16 + "<bos>\n")
    assert list(both.prompt_token_ids) == ids_of("colpali", PLACEHOLDER * 32 + "<bos>a b\n")
    assert model.report()["attention"] == "causal"


def test_pages_are_scored_against_texts(model: LLM, encode: Encode, picture: Any) -> None:
    pages = [picture(seed=1), picture(200, 50, seed=2)]
    scores = model.score("what is shown?", pages, use_tqdm=False)
    (query,) = encode(model, ["what is shown?"], role="query")
    documents = encode(model, [_page(page) for page in pages], role="document")
    wanted = [float((query.outputs.data @ page.outputs.data.T).max(dim=1).values.sum()) for page in documents]
    np.testing.assert_allclose([score.outputs.score for score in scores], wanted, rtol=1e-5)
