"""CLIP and SigLIP: vectors of texts and images equal transformers', and the rules of their text towers hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from cenote import LLM
from cenote.adapters.dual_text import TextRule
from cenote.adapters.packing import pack
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close, assert_close, largest_difference
from cenote.testing.pictures import sample_picture
from cenote.types import ChatOptions, PoolingParams, PreparedInput

GOLDENS = Path(__file__).parent / "goldens"
TOLERANCE = 1e-5
FAMILIES = ("clip", "siglip")

Changed = Callable[..., Path]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(family: str) -> dict[str, Any]:
    return json.loads((GOLDENS / f"{family}.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def llm(family: str, tmp_path_factory: pytest.TempPathFactory) -> LLM:
    return LLM(str(build_checkpoint(family, tmp_path_factory.mktemp(family) / "model")))


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """Build a look-alike with other settings in one of its JSON files."""

    def build(name: str, file: str = "config.json", part: str | None = None, **values: Any) -> Path:
        folder = build_checkpoint(name, tmp_path / name)
        content = json.loads((folder / file).read_text())
        (content if part is None else content[part]).update(values)
        (folder / file).write_text(json.dumps(content))
        return folder

    return build


def _image(picture: Any) -> dict[str, Any]:
    return {"multi_modal_data": {"image": picture}}


def _pictures(golden: dict[str, Any]) -> list[Any]:
    return [sample_picture(*given) for given in golden["pictures"].values()]


def _vectors(llm: LLM, prompts: list[Any], **options: Any) -> list[Any]:
    return [torch.tensor(output.outputs.embedding) for output in llm.embed(prompts, **options)]


def test_texts_and_images_equal_transformers_together_and_alone(llm: LLM, golden: dict[str, Any]) -> None:
    prompts = [row["text"] for row in golden["texts"]] + [_image(picture) for picture in _pictures(golden)]
    expected = [row["vector"] for row in golden["texts"]] + list(golden["images"].values())
    mixed = [prompts[place] for place in (0, 6, 1, 7, 8, 2, 3, 9, 10, 4, 5, 6)]
    wanted = [expected[place] for place in (0, 6, 1, 7, 8, 2, 3, 9, 10, 4, 5, 6)]
    assert_all_close(_vectors(llm, mixed), wanted, tolerance=TOLERANCE, name="together")
    for prompt, vector in zip(prompts, expected, strict=True):
        assert_close(_vectors(llm, [prompt])[0], vector, tolerance=TOLERANCE)


def test_batches_of_more_tokens_than_a_text_may_have_do_not_fail(
    llm: LLM, golden: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rows = golden["texts"] * 16
    prompts = [*(row["text"] for row in rows), *map(_image, _pictures(golden))]
    assert sum(len(row["ids"]) for row in rows) > 2 * (llm.limits.max_tokens or 0)
    with caplog.at_level(logging.WARNING):
        found = _vectors(llm, prompts)
    assert "failed" not in caplog.text
    expected = [*(row["vector"] for row in rows), *golden["images"].values()]
    assert_all_close(found, expected, tolerance=TOLERANCE)


def test_token_ids_equal_transformers(llm: LLM, golden: dict[str, Any]) -> None:
    found = llm.embed([row["text"] for row in golden["texts"]])
    assert [list(output.prompt_token_ids) for output in found] == [row["ids"] for row in golden["texts"]]


def test_token_ids_may_be_given(llm: LLM, golden: dict[str, Any]) -> None:
    prompts = [{"prompt_token_ids": row["ids"]} for row in golden["texts"]]
    expected = [row["vector"] for row in golden["texts"]]
    assert_all_close(_vectors(llm, prompts), expected, tolerance=TOLERANCE)


def test_long_texts_are_refused_and_cut_like_transformers_where_that_is_asked(llm: LLM, golden: dict[str, Any]) -> None:
    long = golden["long"]
    with pytest.raises(PromptTooLong):
        llm.embed([long["text"]])
    (found,) = llm.embed([long["text"]], tokenization_kwargs={"truncate_prompt_tokens": -1})
    assert list(found.prompt_token_ids) == long["ids"]
    assert_close(found.outputs.embedding, long["vector"], tolerance=TOLERANCE)


def test_a_model_that_is_run_the_wrong_way_differs(llm: LLM, family: str, golden: dict[str, Any]) -> None:
    if family == "siglip":
        wrong, right = golden["flipped"]["unpadded"], [row["vector"] for row in golden["texts"]]
        told = [row["text"] for row in golden["texts"]]
    else:
        wrong, right = golden["flipped"]["squeezed"], list(golden["images"].values())
        told = list(map(_image, _pictures(golden)))
    assert largest_difference(wrong, right) > 100 * TOLERANCE
    assert largest_difference(_vectors(llm, told), wrong) > 100 * TOLERANCE


def test_scores_compare_texts_with_images_both_ways(llm: LLM, golden: dict[str, Any]) -> None:
    text, image = golden["texts"][0], golden["images"]["wide"]
    picture = sample_picture(*golden["pictures"]["wide"])
    expected = sum(a * b for a, b in zip(text["vector"], image, strict=True))
    (one,) = llm.score(text["text"], [_image(picture)])
    (other,) = llm.score(_image(picture), [text["text"]])
    assert_close([one.outputs.score, other.outputs.score], [expected] * 2, tolerance=TOLERANCE)


def test_images_rank_by_a_text(llm: LLM, golden: dict[str, Any]) -> None:
    vector = torch.tensor(golden["texts"][0]["vector"])
    scores = [float(vector @ torch.tensor(image)) for image in golden["images"].values()]
    ranked = llm.rerank(golden["texts"][0]["text"], _pictures(golden))
    assert [item.index for item in ranked] == sorted(range(len(scores)), key=lambda place: -scores[place])


def test_messages_stand_for_their_content(llm: LLM, golden: dict[str, Any]) -> None:
    picture = sample_picture(*golden["pictures"]["tall"])
    url = {"type": "image_pil", "image_pil": picture}
    talks = [
        {"messages": [{"role": "user", "content": golden["texts"][0]["text"]}]},
        {"messages": [{"role": "user", "content": [url]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}, url]}]},
        {"prompt": "", **_image(picture)},
    ]
    expected = [golden["texts"][0]["vector"], *[golden["images"]["tall"]] * 3]
    assert_all_close(_vectors(llm, talks), expected, tolerance=TOLERANCE)


def test_messages_follow_each_other_or_a_template_of_the_user(llm: LLM) -> None:
    talk = [{"role": "user", "content": "deep"}, {"role": "user", "content": " water"}]
    template = "{% for message in messages %}{{ message.content }} and {% endfor %}"
    plain, written = _vectors(llm, ["deep water", "deep and  water and "])
    assert_close(_vectors(llm, [{"messages": talk}])[0], plain, tolerance=TOLERANCE)
    special = {"add_special_tokens": True}
    (found,) = llm.embed([{"messages": talk}], chat=ChatOptions(template=template), tokenization_kwargs=special)
    assert_close(found.outputs.embedding, written, tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ({"prompt": "A well.", **_image(sample_picture(32, 32))}, "a text or an image, each by itself"),
        ({"multi_modal_data": {"image": [sample_picture(32, 32)] * 2}}, "one image per prompt"),
        ({"prompt_token_ids": [3], **_image(sample_picture(32, 32))}, "each by itself"),
        ({"multi_modal_data": {"video": b"film"}}, "text and image only"),
        ({"text": "a", "text_pair": "b"}, "one text at a time"),
    ],
)
def test_what_such_a_model_cannot_read_is_refused(llm: LLM, prompt: Any, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        llm.embed([prompt])


def test_vectors_are_not_cut(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="atryoshka"):
        llm.embed(["water"], pooling_params=PoolingParams(dimensions=8))


def test_an_image_counts_as_its_patches_and_not_against_the_limit_of_texts(tmp_path: Path) -> None:
    llm = LLM(str(build_checkpoint("clip", tmp_path / "clip")), max_model_len=4)
    golden = json.loads((GOLDENS / "clip.json").read_text())
    (found,) = llm.embed([_image(sample_picture(*golden["pictures"]["wide"]))])
    assert len(found.prompt_token_ids) == 5
    assert_close(found.outputs.embedding, golden["images"]["wide"], tolerance=TOLERANCE)


def test_the_report_says_how_both_towers_run(llm: LLM, family: str) -> None:
    facts = llm.report()
    assert facts["modalities"] == "text, image"
    assert facts["vision tower"].startswith("images together")
    assert facts["execution"].startswith("packed" if family == "clip" else "padded")
    assert llm.limits.max_tokens == (77 if family == "clip" else 64)


def test_the_end_of_a_text_is_found_as_transformers_finds_it() -> None:
    batch = pack([(7, 2, 9, 5, 9), (3, 9, 2)])
    assert TextRule(eos=2, highest=True).places(batch).tolist() == [2, 6]
    assert TextRule(eos=2).places(batch).tolist() == [1, 7]
    assert TextRule(length=4).places(batch).tolist() == [4, 7]


def test_a_text_without_its_end_token_has_no_vector() -> None:
    with pytest.raises(InvalidRequest, match="no end token"):
        TextRule(eos=2).finish(PreparedInput(token_ids=(5, 6)))
    assert TextRule(eos=2, highest=True).finish(PreparedInput(token_ids=(5, 6))).token_ids == (5, 6)


def test_a_config_that_names_the_right_end_token_gives_the_same_vectors(changed: Changed) -> None:
    golden = json.loads((GOLDENS / "clip.json").read_text())
    end = golden["texts"][0]["ids"][-1]
    llm = LLM(str(changed("clip", part="text_config", eos_token_id=end)))
    assert llm.report()["text vector"] == f"the first token {end}"
    found = _vectors(llm, [row["text"] for row in golden["texts"]])
    assert_all_close(found, [row["vector"] for row in golden["texts"]], tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"part": "vision_config", "image_size": 64, "name": "clip"}, "shape|position"),
        ({"part": "vision_config", "vision_use_head": False, "name": "siglip"}, "vision_use_head"),
        ({"file": "preprocessor_config.json", "size": {"height": 64, "width": 64}, "name": "siglip"}, "64 x 64"),
        ({"file": "preprocessor_config.json", "crop_size": 64, "name": "clip"}, "64 x 64"),
        ({"file": "preprocessor_config.json", "image_processor_type": "OtherProcessor", "name": "siglip"}, "Other"),
    ],
)
def test_files_that_do_not_fit_are_refused_at_load(change: dict[str, Any], told: str, changed: Changed) -> None:
    with pytest.raises(CheckpointError, match=told):
        LLM(str(changed(**change)))


def test_settings_of_other_models_are_refused(tmp_path: Path) -> None:
    folder = str(build_checkpoint("clip", tmp_path / "clip"))
    with pytest.raises(InvalidRequest, match="seq_pooling_type"):
        LLM(folder, pooler_config={"seq_pooling_type": "MEAN"})


@pytest.mark.parametrize("normalizes", [True, False])
def test_folders_of_sentence_transformers_give_what_it_gives(tmp_path: Path, normalizes: bool) -> None:
    build_checkpoint("clip", tmp_path / "0_CLIPModel")
    library = "sentence_transformers.models"
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": f"{library}.CLIPModel"}]
    if normalizes:
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{library}.Normalize"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    texts = ["How deep is the well?", "Water."]
    expected = SentenceTransformer(str(tmp_path), device="cpu").encode(texts)
    assert_all_close(_vectors(LLM(str(tmp_path)), texts), list(expected), tolerance=TOLERANCE)


def test_texts_of_siglip_lose_capitals_and_punctuation_whatever_its_tokenizer_says(changed: Changed) -> None:
    golden = json.loads((GOLDENS / "siglip.json").read_text())
    folder = changed("siglip", "tokenizer.json", normalizer=None)
    found = LLM(str(folder)).embed([row["text"] for row in golden["texts"]])
    assert [list(output.prompt_token_ids) for output in found] == [row["ids"] for row in golden["texts"]]
