"""What processors were saved with, and what a user says in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CheckpointError, InvalidRequest

_PAD = "<|endoftext|>"


def _ids(model: LLM, encode: Any, prompt: Any, role: str) -> list[int]:
    return list(encode(model, prompt, role)[0].prompt_token_ids)


@pytest.mark.parametrize("place", ["processor_config.json", "preprocessor_config.json", "user"])
def test_stored_prefixes_take_the_place_of_the_class_defaults(
    place: str, edited: Any, encode: Any, ids_of: Any
) -> None:
    given = {"query_prefix": "Ask: "}
    folder = edited("ops_colqwen3", {} if place == "user" else {place: given})
    options: Mapping[str, Any] = {"hf_overrides": {"late_interaction": given}} if place == "user" else {}
    with LLM(str(folder), **options) as model:
        assert model.report()["query prefix"] == f"'Ask: ' ({place})"
        assert _ids(model, encode, "a word", "query") == ids_of("ops_colqwen3", f"Ask: a word{_PAD * 10}")


def test_the_user_overrules_the_files(edited: Any) -> None:
    folder = edited("ops_colqwen3", {"processor_config.json": {"query_prefix": "Ask: "}})
    with LLM(str(folder), hf_overrides={"late_interaction": {"query_prefix": ""}}) as model:
        assert model.report()["query prefix"] == "'' (user)"


def test_nemotron_without_stored_settings_has_those_of_its_class(edited: Any, encode: Any, ids_of: Any) -> None:
    with LLM(str(edited("nemotron_colembed", {"processor_config.json": None}))) as model:
        report = model.report()
        assert report["query prefix"] == "'query:' (default of the model's code)"
        assert report["p max length"] == "4096 (default of the model's code)"
        written = "<|im_start|>user\nQuery: query: a word<|im_end|>\n<|im_start|>assistant\n"
        assert _ids(model, encode, "a word", "query") == ids_of("nemotron_colembed", written)


def test_nemotron_without_prefixes_writes_no_space_for_them(edited: Any, encode: Any, ids_of: Any) -> None:
    folder = edited("nemotron_colembed", {"processor_config.json": {"query_prefix": "", "passage_prefix": ""}})
    with LLM(str(folder)) as model:
        for role, text in (("query", "Query: a word"), ("document", "a word"), ("document", "\nnew")):
            written = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
            prompt = text.removeprefix("Query: ")
            assert _ids(model, encode, prompt, role) == ids_of("nemotron_colembed", written), text


def test_tomoros_stored_visual_prompt_is_written(edited: Any, encode: Any, ids_of: Any, picture: Any) -> None:
    prompt = "<|im_start|>user\nSee <|vision_start|><|image_pad|><|vision_end|>here"
    stored = {"visual_prompt_prefix": prompt, "visual_prompt_suffix": " end<|im_end|>"}
    with LLM(str(edited("colqwen3", {"processor_config.json": stored}))) as model:
        found = _ids(model, encode, {"prompt": "it", "multi_modal_data": {"image": picture(32, 32)}}, "document")
    (place,) = ids_of("colqwen3", "<|image_pad|>")
    assert [token for at, token in enumerate(found) if token != place or found[at - 1] != place] == ids_of(
        "colqwen3", f"{prompt} it end<|im_end|>"
    )


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("nemotron_colembed", {"q_max_length": "512"}, "processor_config.json: q_max_length must be a whole number"),
        ("nemotron_colembed", {"query_prefix": 3}, "query_prefix must be a text, found 3"),
        ("colqwen3", {"visual_prompt_prefix": "See this."}, "visual_prompt_prefix must hold"),
    ],
)
def test_stored_settings_of_another_kind_are_refused(
    family: str, settings: Mapping[str, Any], message: str, edited: Any
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(family, {"processor_config.json": settings})))


@pytest.mark.parametrize("wanted", [{"query_prefixes": "x"}, "x"])
def test_unknown_overrides_are_refused_with_the_known_ones(wanted: Any, folder_of: Any) -> None:
    with pytest.raises(CheckpointError, match="known keys are query_prefix, visual_prompt_prefix"):
        LLM(str(folder_of("colqwen3")), hf_overrides={"late_interaction": wanted})


@pytest.mark.parametrize(
    ("family", "compat", "options", "tokens"),
    [
        ("colqwen3", "reference", {}, 1280),
        ("colqwen3", "vllm", {}, 16384),
        ("colqwen3", "reference", {"max_num_visual_tokens": 20}, 20),
        ("colqwen3", "reference", {"max_pixels": 30 * 1024}, 30),
        ("ops_colqwen3", "reference", {}, 1280),
        ("colqwen3_5", "reference", {"size": {"longest_edge": 40 * 1024}}, 40),
    ],
)
def test_images_are_capped_as_the_code_the_file_or_the_user_says(
    family: str, compat: Any, options: Mapping[str, Any], tokens: int, folder_of: Any
) -> None:
    with LLM(str(folder_of(family)), compat=compat, mm_processor_kwargs=options) as model:
        assert model.report()["image tokens"].startswith(f"{tokens} (")


@pytest.mark.parametrize("family", ["colqwen3", "ops_colqwen3", "colqwen3_5"])
@pytest.mark.parametrize("place", ["processor_config.json", "preprocessor_config.json"])
def test_a_stored_cap_of_images_is_honoured_below_the_users(
    family: str, place: str, edited: Any, encode: Any, picture: Any
) -> None:
    folder = edited(family, {place: {"max_num_visual_tokens": 20}})
    page = {"multi_modal_data": {"image": picture(400, 400)}}
    for compat, options, wanted in (
        ("reference", {}, f"20 ({place})"),
        ("reference", {"max_num_visual_tokens": 30}, "30 (user)"),
        ("vllm", {}, None),
    ):
        with LLM(str(folder), compat=compat, mm_processor_kwargs=options) as model:
            report = model.report()
            (output,) = encode(model, [page])
        tokens = sum(isinstance(position, list) for position in output.outputs.positions)
        assert "max num visual tokens" not in report
        assert tokens <= int(wanted.split()[0]) if wanted else tokens > 100
        assert report["image tokens"] == wanted if wanted else report["image tokens"].endswith("(files)")


@pytest.mark.parametrize("family", ["colqwen3", "ops_colqwen3"])
def test_a_stored_cap_that_is_no_number_is_refused(family: str, edited: Any) -> None:
    with pytest.raises(CheckpointError, match="max_num_visual_tokens must be a whole number from 1 on, found '20'"):
        LLM(str(edited(family, {"processor_config.json": {"max_num_visual_tokens": "20"}})))


def test_unknown_settings_of_images_are_refused(folder_of: Any) -> None:
    with pytest.raises(InvalidRequest, match="'colour', which is unknown"):
        LLM(str(folder_of("colqwen3")), mm_processor_kwargs={"colour": 1})
