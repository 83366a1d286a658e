"""Conversions on whole checkpoints: what the user asks for, what the files say, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CheckpointError, InvalidRequest, UnknownArchitecture, UnknownPlugin, UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint

Build = Callable[..., str]
RECIPE = {"classifier_from_token": ["no", "yes"], "method": "from_2_way_softmax"}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Writes a look-alike under a name; the same name is written once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def write(family: str, name: str = "", **layout: Any) -> str:
        folder: Path = root / (name or family)
        if not folder.is_dir():
            build_checkpoint(family, folder, **layout)
        return str(folder)

    return write


def test_a_classifier_becomes_an_embedder_of_its_backbone(build: Build) -> None:
    folder = build("bert_classifier")
    with LLM(folder) as classifier, LLM(folder, convert="embed") as embedder:
        assert classifier.supported_tasks == ("classify", "token_classify")
        assert embedder.supported_tasks == ("embed", "token_embed")
        assert embedder.embed("a text", use_tqdm=False)[0].outputs.hidden_size == 32


@pytest.mark.parametrize("architecture", ["Qwen3ForCausalLM", "Qwen3ForSequenceClassification"])
def test_the_recipe_of_words_makes_the_same_reranker_of_either_name(build: Build, architecture: str) -> None:
    folder = build("qwen3_reranker", "a-folder")
    with LLM(folder, hf_overrides={"architectures": [architecture], **RECIPE}) as llm:
        assert "score" in llm.supported_tasks
        assert llm.report()["adapter"].startswith("transformers-lm-classifier of cenote")


def test_a_reranker_is_known_by_its_name_and_an_embedder_where_asked(build: Build) -> None:
    folder = build("qwen3_reranker", "Qwen3-Reranker-0.6B")
    with LLM(folder) as reranker, LLM(folder, convert="embed") as embedder:
        assert "score" in reranker.supported_tasks
        assert embedder.supported_tasks == ("embed", "token_embed")


@pytest.mark.parametrize(
    ("family", "options", "error", "message"),
    [
        (
            "bert",
            {"convert": "classify"},
            CheckpointError,
            "2 of 41 tensors are not in the weight files: classifier.bias, classifier.weight",
        ),
        ("qwen3", {"convert": "classify"}, CheckpointError, r"no classifier \(score.weight\)"),
        ("qwen3", {"convert": "none"}, InvalidRequest, "generates text; with convert='none' it is no pooling model"),
        ("qwen3", {"runner": "pooling", "convert": "none"}, InvalidRequest, "generates text"),
        ("bert", {"runner": "generate"}, InvalidRequest, "cenote runs pooling models only"),
        ("bert", {"runner": "draft"}, InvalidRequest, "cenote runs pooling models only"),
        ("bert", {"convert": "classify", "adapter": "transformers-encoder"}, UnsupportedTask, "it does: embed"),
        ("bert", {"pooler_config": {"task": "classify"}}, UnsupportedTask, "It can do: embed, token_embed"),
        ("bert", {"pooler_config": {"task": "score"}}, UnsupportedTask, "cannot do task 'score'"),
        ("bert", {"pooler_config": {"pooling_type": "FIRST"}}, UnknownPlugin, "No cenote.poolers 'FIRST'. Installed: "),
        ("bert", {"pooler_config": {"dimensions": 8}}, InvalidRequest, "does not support matryoshka"),
        ("bert", {"adapter": "transformers-encoders"}, UnknownPlugin, "Installed: transformers-encoder, "),
    ],
)
def test_what_contradicts_the_checkpoint_is_refused_at_load(
    build: Build, family: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LLM(build(family), **options)


def test_a_pooling_layer_makes_an_embedder_of_a_class_with_a_classifier(build: Build) -> None:
    folder = build("bert", "trained-on", config={"architectures": ["BertForSequenceClassification"]})
    with LLM(folder) as llm:
        assert llm.supported_tasks == ("embed", "token_embed")
        assert "modules.json pools its hidden states" in llm.report()["reason"]


def test_an_architecture_of_the_user_wins_over_modules_json(build: Build) -> None:
    override = {"architectures": ["Qwen3ForSequenceClassification"]}
    with pytest.raises(CheckpointError, match=r"score\.weight"):
        LLM(build("qwen3"), hf_overrides=override)


def test_an_architecture_of_the_user_that_no_family_has_is_refused(build: Build) -> None:
    with pytest.raises(UnknownArchitecture, match=r"'FooModel'.*no registered family.*'bert'"):
        LLM(build("bert"), hf_overrides={"architectures": ["FooModel"]})


def test_a_device_that_torch_does_not_have_is_refused_by_name(build: Build) -> None:
    with pytest.raises(InvalidRequest, match=r"device='tpu' cannot be used here\. Available: cpu"):
        LLM(build("bert"), device="tpu")


def test_a_broken_chat_template_fails_at_load(build: Build) -> None:
    with pytest.raises(InvalidRequest, match=r"chat_template is no valid Jinja template: .*endfor"):
        LLM(build("bert"), chat_template="{% for message in messages %}{{ message }}")


def test_a_language_model_that_no_file_calls_an_embedder_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_checkpoint("qwen3", tmp_path, sentence_transformers=False, config={"architectures": ["Qwen3ForCausalLM"]})
    with LLM(str(tmp_path)) as llm:
        assert "embed" in llm.supported_tasks
    (warning,) = [record for record in caplog.records if "trained to embed" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert "qwen3-reranker" in warning.getMessage()


def test_a_language_model_with_a_pooling_layer_loads_without_that_warning(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with LLM(build("qwen3")):
        assert "trained to embed" not in caplog.text


def test_a_token_classifier_made_of_words_labels_tokens_by_default(build: Build) -> None:
    recipe = {"classifier_from_token": ["no", "yes"], "method": "no_post_processing"}
    folder = build("qwen3_reranker", "a-folder")
    with LLM(folder, hf_overrides={"architectures": ["Qwen3ForTokenClassification"], **recipe}) as llm:
        assert llm.default_task == "token_classify"
        assert "token_classify" in llm.report()["default task"]


@pytest.mark.parametrize(("family", "labels"), [("bert_token_classifier", None), ("bert_classifier", 3)])
def test_a_classifier_that_is_no_reward_model_gives_no_rewards(build: Build, family: str, labels: int | None) -> None:
    with (
        LLM(build(family, f"{family}-{labels}", labels=labels)) as llm,
        pytest.raises(UnsupportedTask, match="no reward model"),
    ):
        llm.reward("a text", use_tqdm=False)
