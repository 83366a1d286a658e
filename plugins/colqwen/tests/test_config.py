"""Configs of published files, and what in them is refused because it would give other vectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cenote import LLM, PoolingParams
from cenote.cli.serve import app as serve
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote_colqwen.colqwen3_5 import COLQWEN3_5
from cenote_colqwen.config import declared_size

_KEY = "retrieval_attention_contract"


def _part(folder: Path, name: str, **changes: Any) -> Mapping[str, Any]:
    """Return a part of a config with changes."""
    part = json.loads((folder / "config.json").read_text())[name]
    return {name: {key: value for key, value in {**part, **changes}.items() if value is not None}}


def _report(folder: Path, **options: Any) -> Mapping[str, str]:
    with LLM(str(folder), **options) as model:
        return model.report()


def test_the_report_names_every_value_and_who_said_so(loaded: Callable[..., LLM]) -> None:
    report = loaded("nemotron_colembed").report()
    assert report["query prefix"] == "'query:' (processor_config.json)"
    assert report["q max length"] == "512 (processor_config.json)"
    assert report["attention"] == "bidirectional"
    assert report["final norm"] == "skipped (Nemotron ColEmbed)"
    assert report["projection"] == "64 (none)"
    assert report["max tokens"].startswith("4096")
    assert report["max query tokens"] == "512 (model_default)"
    report = loaded("colqwen3").report()
    assert report["query prefix"] == "'' (default of the model's code)"
    assert "Describe the image." in report["layout"]
    assert report["projection"] == "32 (embedding_proj_layer with its bias)"
    assert report["image tokens"] == "1280 (ColQwen3)"
    assert report["final norm"] == "applied (ColQwen3)"


@pytest.mark.parametrize("family", ["colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5"])
def test_no_code_of_the_checkpoint_runs(family: str, edited: Any) -> None:
    folder = edited(family, {"config.json": {"auto_map": {"AutoConfig": "wrong.Config", "AutoModel": "wrong.Model"}}})
    (folder / "wrong.py").write_text("raise SystemExit('this ran')")
    assert _report(folder)["tasks"] == "token_embed"


@pytest.mark.parametrize("key", ["embed_dim", "dims", "dim", "projection_dim", "colbert_dim"])
def test_colqwen3_5_names_its_size_under_any_key(key: str) -> None:
    assert declared_size({key: 32}, COLQWEN3_5) == (32, key)
    assert declared_size({"colbert_dim": 8, key: 32} if key != "colbert_dim" else {key: 32}, COLQWEN3_5) == (32, key)


def test_a_size_that_the_projection_does_not_have_is_refused(edited: Any) -> None:
    with pytest.raises(CheckpointError, match=r"dims is 16, but custom_text_proj\.weight gives vectors of size 32"):
        LLM(str(edited("colqwen3_5", {"config.json": {"dim": None, "dims": 16}})))


def test_without_a_size_in_the_config_the_projection_says_it(edited: Any) -> None:
    assert _report(edited("colqwen3_5", {"config.json": {"dim": None}}))["embedding size"] == "32"


def test_colqwen3_5_loads_under_a_model_type_of_its_own(edited: Any) -> None:
    folder = edited("colqwen3_5", {"config.json": {"model_type": "ColQwen3_5"}})
    assert _report(folder)["tasks"] == "token_embed"


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("colqwen3", {"embed_dim": 16}, "embed_dim is 16"),
        ("colqwen3", {"embed_dim": "32"}, "must be a whole number"),
        ("ops_colqwen3", {"dims": 65}, "dims is 65, but custom_text_proj.weight gives vectors of size 64"),
        ("ops_colqwen3", {"mask_non_image_embeddings": True}, "mask_non_image_embeddings"),
        ("nemotron_colembed", {"pooling": "avg"}, "pooling 'avg'"),
        ("nemotron_colembed", {"is_causal": True}, "models are bidirectional"),
        ("colqwen3", {"is_causal": False}, "models are causal"),
        ("colqwen3", {"vision_config": None}, "has no vision_config"),
        ("colqwen3_5", {_KEY: "both"}, "must be 'causal' or 'bidirectional'"),
        ("colqwen3", {"image_token_id": 5}, "image_token_id 5, but the tokenizer's"),
        ("colqwen3", {"image_token_id": None}, "lacks image_token_id, for which .* the language model knows"),
        ("colqwen3", {"video_token_id": 90000}, "config.json has video_token_id 90000, but the language model knows"),
        ("colqwen3_5", {_KEY: "causal", "is_causal": False}, f"by {_KEY} in config.json this model is causal"),
        ("colqwen3_5", {_KEY: "bidirectional", "is_causal": True}, "this model is bidirectional"),
        ("colqwen3_5", {_KEY: None, "is_causal": False}, "ColQwen3.5 models are causal"),
    ],
)
def test_what_cannot_be_computed_as_meant_is_refused(
    family: str, changes: Mapping[str, Any], message: str, edited: Any
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(family, {"config.json": changes})))


@pytest.mark.parametrize(
    ("family", "part", "changes", "message"),
    [
        ("colqwen3", "text_config", {"model_type": "qwen3_vl_moe_text"}, "'qwen3_vl_moe_text'"),
        ("colqwen3_5", "vision_config", {"deepstack_visual_indexes": [1]}, "deepstack_visual_indexes"),
        ("colqwen3_5", "text_config", {_KEY: "bidirectional"}, "'causal' in config.json and 'bidirectional' in text"),
    ],
)
def test_parts_of_other_models_are_refused(
    family: str, part: str, changes: Mapping[str, Any], message: str, edited: Any, folder_of: Any
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(family, {"config.json": _part(folder_of(family), part, **changes)})))


def test_a_vision_config_may_have_the_model_type_of_the_whole(edited: Any, folder_of: Any) -> None:
    part = _part(folder_of("colqwen3"), "vision_config", model_type="qwen3_vl")
    assert _report(edited("colqwen3", {"config.json": part}))["tasks"] == "token_embed"


def test_colqwen3_5_is_causal_where_nothing_is_said(edited: Any, loaded: Any, encode: Any) -> None:
    with LLM(str(edited("colqwen3_5", {"config.json": {_KEY: None}}))) as model:
        (silent,) = encode(model, "one two three")
        assert model.report()["attention contract"] == "causal (default of the model's code)"
    (causal,) = encode(loaded("colqwen3_5"), "one two three")
    np.testing.assert_array_equal(silent.outputs.data.numpy(), causal.outputs.data.numpy())


@pytest.mark.parametrize("place", ["config.json", "text_config"])
def test_a_bidirectional_colqwen3_5_looks_ahead_in_its_layers_of_full_attention(
    place: str, edited: Any, folder_of: Any, encode: Any
) -> None:
    changes: dict[str, Any] = {_KEY: "bidirectional"}
    if place == "text_config":
        changes = {_KEY: None, **_part(folder_of("colqwen3_5"), "text_config", **{_KEY: "bidirectional"})}
    with LLM(str(edited("colqwen3_5", {"config.json": changes}))) as model:
        assert model.report()["attention contract"] == f"bidirectional ({place})"
        assert model.report()["attention"] == "bidirectional"
        one, other = (output.outputs.data.numpy() for output in encode(model, ["one two three", "one two four"]))
    assert np.abs(one[0] - other[0]).max() > 1e-5


def test_a_contract_and_the_config_may_say_the_same(edited: Any, folder_of: Any, encode: Any) -> None:
    both = {_KEY: "bidirectional", **_part(folder_of("colqwen3_5"), "text_config", is_causal=False)}
    found = []
    for changes in (both, {_KEY: "bidirectional"}):
        with LLM(str(edited("colqwen3_5", {"config.json": changes}))) as model:
            assert model.report()["attention"] == "bidirectional"
            found.append(encode(model, "one two three")[0].outputs.data.numpy())
    np.testing.assert_array_equal(*found)


def test_a_model_that_is_too_short_for_any_image_says_so_at_load(
    folder_of: Any, encode: Any, picture: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with LLM(str(folder_of("nemotron_colembed")), max_model_len=64) as model:
        assert "no image fits: prompts have at most 64 (user) tokens, of which an image must leave 100" in caplog.text
        with pytest.raises(PromptTooLong, match=r"of which 100 must stay free for text, so that no image fits\. Raise"):
            encode(model, [{"multi_modal_data": {"image": picture(32, 32)}}])
        encode(model, ["a text"])


def test_ops_cuts_before_it_normalises_and_to_any_size_below_its_own(loaded: Any, edited: Any, encode: Any) -> None:
    whole = loaded("ops_colqwen3")
    raw = encode(whole, "a word", pooling_params=PoolingParams(use_activation=False))[0].outputs.data.numpy()
    with LLM(str(edited("ops_colqwen3", {"config.json": {"dims": 16}}))) as small:
        (found,) = encode(small, "a word")
        assert small.report()["embedding size"] == "16"
        (less,) = encode(small, "a word", pooling_params=PoolingParams(dimensions=8))
        with pytest.raises(InvalidRequest, match="16"):
            encode(small, "a word", pooling_params=PoolingParams(dimensions=32))
    for size, output in ((16, found), (8, less)):
        cut = raw[:, :size]
        expected = cut / np.linalg.norm(cut, axis=1, keepdims=True)
        np.testing.assert_allclose(output.outputs.data.numpy(), expected, atol=1e-6)


def test_sizes_that_a_config_declares_are_the_only_ones(edited: Any, encode: Any) -> None:
    folder = edited("ops_colqwen3", {"config.json": {"matryoshka_dimensions": [16, 32]}})
    with LLM(str(folder)) as model:
        assert encode(model, "a word", pooling_params=PoolingParams(dimensions=16))[0].outputs.data.shape[1] == 16
        with pytest.raises(InvalidRequest, match="16, 32"):
            encode(model, "a word", pooling_params=PoolingParams(dimensions=24))


@pytest.mark.parametrize("family", ["colqwen3", "nemotron_colembed", "colqwen3_5"])
def test_other_models_have_one_size(family: str, loaded: Any, encode: Any) -> None:
    with pytest.raises(InvalidRequest, match="dimensions"):
        encode(loaded(family), "a word", pooling_params=PoolingParams(dimensions=16))


@pytest.mark.parametrize(
    "options", [{"seq_pooling_type": "MEAN"}, {"enable_chunked_processing": True}, {"tok_pooling_type": "STEP"}]
)
def test_settings_of_other_models_are_refused(options: Mapping[str, Any], folder_of: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"{next(iter(options))} means nothing for a late-interaction model"):
        LLM(str(folder_of("colqwen3")), pooler_config=options)


@pytest.mark.parametrize("family", ["nemotron_colembed", "colqwen3"])
def test_pipelines_over_devices_are_refused_with_what_to_do_instead(family: str, folder_of: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"pipeline_parallel_size=2 is not offered.*start one per device"):
        LLM(str(folder_of(family)), pipeline_parallel_size=2)


def test_the_server_refuses_pipelines_in_the_same_words(folder_of: Any) -> None:
    arguments = [str(folder_of("nemotron_colembed")), "--pipeline-parallel-size", "2"]
    done = CliRunner().invoke(serve, arguments)
    assert isinstance(done.exception, InvalidRequest)
    assert "start one per device and spread the requests" in str(done.exception)
