"""Every form of a prompt: which layout it gets, whose template writes it, and what stands for its media."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cenote import LLM, PoolingParams
from cenote.errors import InvalidRequest, PromptTooLong

_PAD = "<|endoftext|>"
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{% for part in message.content %}"
    "{% if part.type == 'image' %}<|image_pad|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
)


def _url(image: Any) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _chat(*parts: Any, role: str = "user") -> Mapping[str, Any]:
    return {"messages": [{"role": role, "content": list(parts)}]}


def _part(image: Any) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": _url(image)}}


def _once(output: Any, place: int) -> list[int]:
    """Return the ids of a prompt with one placeholder for each run of them."""
    ids = list(output.prompt_token_ids)
    return [token for at, token in enumerate(ids) if token != place or not at or ids[at - 1] != place]


@pytest.fixture
def place(ids_of: Any) -> int:
    """Return the id of an image's placeholder."""
    return int(ids_of("colqwen3", "<|image_pad|>")[0])


def _same(first: Any, second: Any) -> None:
    assert first.prompt_token_ids == second.prompt_token_ids
    np.testing.assert_allclose(first.outputs.data.numpy(), second.outputs.data.numpy(), atol=2e-6)


@pytest.mark.parametrize("written", [_IMAGE, "<|image_pad|>"])
def test_a_prompt_that_holds_the_placeholder_is_the_whole_layout(
    written: str, loaded: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    prompt = {"prompt": f" before {written} after", "multi_modal_data": {"image": picture()}}
    (output,) = encode(loaded("colqwen3"), [prompt])
    assert _once(output, place) == ids_of("colqwen3", f" before {written} after")


def test_a_layout_of_the_users_own_may_hold_several_images(
    loaded: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    images = [picture(64, 64), picture(128, 64, 1)]
    prompt = {"prompt": f"{_IMAGE} and {_IMAGE}", "multi_modal_data": {"image": images}}
    (output,) = encode(loaded("nemotron_colembed"), [prompt])
    assert _once(output, place) == ids_of("nemotron_colembed", prompt["prompt"])
    assert len([token for token in output.prompt_token_ids if token == place]) == 4 + 8


def test_a_conversation_of_one_message_is_its_content(loaded: Any, encode: Any, picture: Any) -> None:
    model = loaded("colqwen3")
    image = {"prompt": "a word", "multi_modal_data": {"image": picture()}}
    _same(*encode(model, [image, _chat(_part(picture()), {"type": "text", "text": "a word"})]))
    _same(*encode(model, [image, _chat({"type": "text", "text": "a word"}, _part(picture()))]))
    _same(*encode(model, ["a word", {"messages": [{"role": "user", "content": "a word"}]}]))


def test_the_models_own_question_beside_an_image_is_no_text(loaded: Any, encode: Any, picture: Any) -> None:
    model = loaded("colqwen3")
    bare = {"multi_modal_data": {"image": picture()}}
    _same(*encode(model, [bare, _chat(_part(picture()), {"type": "text", "text": "Describe the image."})]))
    (text,) = encode(model, [_chat({"type": "text", "text": "Describe the image."})])
    assert len(text.prompt_token_ids) > 11


@pytest.mark.parametrize("role", ["query", "document"])
def test_the_role_of_a_message_says_what_it_is_for(role: Any, loaded: Any, encode: Any) -> None:
    model = loaded("nemotron_colembed")
    (told,) = encode(model, [_chat({"type": "text", "text": "a word"}, role=role)])
    (plain,) = encode(model, ["a word"], role)
    _same(told, plain)
    (asked,) = encode(model, [_chat({"type": "text", "text": "a word"}, role="query")], "document")
    (document,) = encode(model, ["a word"], "document")
    _same(asked, document)


def test_several_messages_are_written_by_the_chat_template(
    loaded: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [_part(picture()), {"type": "text", "text": "What?"}]},
    ]
    (output,) = encode(loaded("colqwen3"), [{"messages": messages}])
    written = f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{_IMAGE}What?<|im_end|>\n"
    assert _once(output, place) == ids_of("colqwen3", written)


def test_a_template_of_the_operator_writes_every_conversation(
    folder_of: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    with LLM(str(folder_of("colqwen3")), chat_template=_TEMPLATE) as model:
        (output,) = encode(model, [_chat({"type": "text", "text": "see "}, _part(picture()))])
    assert _once(output, place) == ids_of("colqwen3", "[user]see <|image_pad|>")


def test_vllm_writes_conversations_by_the_chat_template(
    loaded: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    model = loaded("colqwen3", compat="vllm")
    (output,) = encode(model, [_chat(_part(picture()), {"type": "text", "text": "Describe the image."})])
    written = f"<|im_start|>user\n{_IMAGE}Describe the image.<|im_end|>\n"
    assert _once(output, place) == ids_of("colqwen3", written)


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|video_pad|>"])
@pytest.mark.parametrize("compat", ["reference", "vllm"])
def test_a_placeholder_in_a_text_is_refused_by_name(token: str, compat: Any, loaded: Any, encode: Any) -> None:
    model = loaded("colqwen3", compat=compat)
    text = f"a {token} word"
    messages = [{"role": "user", "content": text}, {"role": "user", "content": "more"}]
    for prompt in (text, {"messages": messages}, _chat({"type": "text", "text": text})):
        with pytest.raises(InvalidRequest, match=rf"'<\|{token[2:-2]}\|>'"):
            encode(model, [prompt])


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|video_pad|>"])
@pytest.mark.parametrize("compat", ["reference", "vllm"])
def test_a_placeholder_in_a_content_beside_an_image_is_refused_by_name(
    token: str, compat: Any, loaded: Any, encode: Any, picture: Any
) -> None:
    model = loaded("colqwen3", compat=compat)
    caption, named = f"a {token} caption", rf"'<\|{token[2:-2]}\|>'"
    message = {"role": "user", "content": [{"type": "text", "text": caption}, _part(picture())]}
    for messages in ([message], [message, {"role": "user", "content": "x"}]):
        with pytest.raises(InvalidRequest, match=named):
            encode(model, [{"messages": messages}])
    items = (
        {"content": [_part(picture()), {"type": "text", "text": caption}]},
        {"image": picture(), "text": caption},
        {"text": caption, "multi_modal_data": {"image": picture()}},
    )
    for item in items:
        with pytest.raises(InvalidRequest, match=named):
            model.score("a query", [item], use_tqdm=False)
        with pytest.raises(InvalidRequest, match=named):
            model.score(item, ["a document"], use_tqdm=False)


@pytest.mark.parametrize("compat", ["reference", "vllm"])
def test_a_layout_of_the_users_own_is_scored_as_it_is_written(
    compat: Any, loaded: Any, encode: Any, picture: Any
) -> None:
    model = loaded("colqwen3", compat=compat)
    prompt = {"prompt": f"{_IMAGE} a page", "multi_modal_data": {"image": picture()}}
    (query,), (page,) = encode(model, ["a query"], "query"), encode(model, [prompt], "document")
    expected = float((query.outputs.data @ page.outputs.data.T).amax(dim=1).sum())
    (scored,) = model.score("a query", [prompt], use_tqdm=False)
    assert abs(scored.outputs.score - expected) < 1e-4


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        (f"{_IMAGE}{_IMAGE}", 1, "placeholders for 2 images, but 1 image was given"),
        (_IMAGE, 2, "placeholders for 1 image, but 2 images were given"),
        ("<|video_pad|>", 1, "placeholders for 1 video, but 1 image was given"),
        ("no placeholder", 2, "reads one image or video per prompt, got 2"),
    ],
)
def test_placeholders_must_stand_for_the_images(
    text: str, count: int, message: str, loaded: Any, encode: Any, picture: Any
) -> None:
    prompt = {"prompt": text, "multi_modal_data": {"image": [picture(seed=seed) for seed in range(count)]}}
    with pytest.raises(InvalidRequest, match=message):
        encode(loaded("colqwen3"), [prompt])


def test_token_ids_with_an_image_have_one_placeholder_for_it(
    loaded: Any, encode: Any, ids_of: Any, picture: Any, place: int
) -> None:
    model = loaded("colqwen3")
    text = f"see {_IMAGE} here"
    ids = ids_of("colqwen3", text)
    image = {"multi_modal_data": {"image": picture()}}
    _same(*encode(model, [{"prompt_token_ids": ids, **image}, {"prompt": text, **image}]))
    for wrong in ([place, place, 5], [5, 6]):
        with pytest.raises(InvalidRequest, match="placeholder"):
            encode(model, [{"prompt_token_ids": wrong, **image}])
    with pytest.raises(InvalidRequest, match="placeholder"):
        encode(model, [[5, place]])


def test_stored_prompts_of_a_request_go_in_front_of_the_text(loaded: Any, encode: Any, ids_of: Any) -> None:
    (output,) = encode(loaded("colqwen3"), ["a word"], pooling_params=PoolingParams(prompt="Say: "))
    assert list(output.prompt_token_ids) == ids_of("colqwen3", f"Say: a word{_PAD * 10}")


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ({"text": "a", "text_pair": "b"}, {}, "one text at a time"),
        ("a", {"tokenization_kwargs": {"padding": "max_length"}}, "padding as text"),
    ],
)
def test_what_such_a_model_does_not_read_is_refused(
    prompt: Any, options: Mapping[str, Any], message: str, loaded: Any, encode: Any
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        encode(loaded("colqwen3"), [prompt], **options)


@pytest.mark.parametrize("family", ["colqwen3", "ops_colqwen3", "nemotron_colembed"])
def test_a_video_is_refused_by_models_that_read_none(family: str, loaded: Any, encode: Any) -> None:
    frames = np.zeros((4, 64, 64, 3), dtype=np.uint8)
    with pytest.raises(InvalidRequest, match="video"):
        encode(loaded(family), [{"multi_modal_data": {"video": frames}}])


def test_an_image_beyond_the_limit_says_its_tokens_and_the_way_out(folder_of: Any, encode: Any, picture: Any) -> None:
    with LLM(str(folder_of("colqwen3")), max_model_len=50) as model:
        with pytest.raises(PromptTooLong, match=r"have 64 tokens, but this model takes at most 50.*\"max_pixels\": N"):
            encode(model, [{"multi_modal_data": {"image": picture(256, 256)}}])
        for prompt in ({}, {"prompt": "word " * 30}, {"prompt": _IMAGE + "word " * 300}):
            image = {"multi_modal_data": {"image": picture(192, 224)}}  # 42 tokens and what stands around
            with pytest.raises(PromptTooLong, match=r"at most 50.*have 42 of them\. Send smaller.*\"max_pixels\": N"):
                encode(model, [{**prompt, **image}])
        with pytest.raises(PromptTooLong, match=r"at most 50.*-1\.$"):
            encode(model, ["word " * 100])


def test_an_image_must_leave_room_where_the_processor_reserves_it(edited: Any, encode: Any, picture: Any) -> None:
    with LLM(str(edited("nemotron_colembed", {"processor_config.json": {"p_max_length": 160}}))) as model:
        encode(model, [{"multi_modal_data": {"image": picture(256, 192)}}])  # 48 tokens
        with pytest.raises(PromptTooLong, match=r"have 64 tokens.*at most 160, 100 of which must stay free"):
            encode(model, [{"multi_modal_data": {"image": picture(256, 256)}}])


def test_embeddings_of_an_image_take_its_place(folder_of: Any, encode: Any, picture: Any) -> None:
    with LLM(str(folder_of("ops_colqwen3"))) as model, pytest.raises(InvalidRequest, match="enable_mm_embeds"):
        encode(model, [{"multi_modal_data": {"image": _embeds(4)}}])
    with LLM(str(folder_of("ops_colqwen3")), enable_mm_embeds=True) as model:
        (image,) = encode(model, [{"multi_modal_data": {"image": picture(64, 64)}}])
        (given,) = encode(model, [{"multi_modal_data": {"image": _embeds(4)}}])
        assert given.prompt_token_ids == image.prompt_token_ids
        with pytest.raises(InvalidRequest, match="image_embeds"):
            encode(model, [{"multi_modal_data": {"image": _embeds(3)}}])


def _embeds(tokens: int) -> Mapping[str, Any]:
    """Return the output of a vision tower for an image of 2 x 2 tokens, with three layers in between."""
    rows = np.random.default_rng(0).standard_normal((tokens, 64 * 4)).astype(np.float32)
    return {"image_embeds": rows, "image_grid_thw": np.array([[1, 4, 4]])}


def test_images_alike_are_prepared_once(folder_of: Any, encode: Any, picture: Any) -> None:
    with LLM(str(folder_of("colqwen3"))) as model:
        prompts: Sequence[Any] = [{"multi_modal_data": {"image": picture(seed=seed)}} for seed in (0, 1, 0, 0)]
        outputs = encode(model, prompts)
        _same(outputs[0], outputs[2])
        assert np.abs(outputs[0].outputs.data.numpy() - outputs[1].outputs.data.numpy()).max() > 1e-4


def test_positions_of_patches_are_rows_and_columns(loaded: Any, encode: Any, picture: Any, place: int) -> None:
    (output,) = encode(loaded("colqwen3"), [{"multi_modal_data": {"image": picture(96, 64)}}])
    patches = [position for position in output.outputs.positions if not isinstance(position, int)]
    assert [list(position) for position in patches] == [[row, column] for row in range(2) for column in range(3)]
