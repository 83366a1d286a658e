"""Conversions on whole checkpoints: what the user asks for, what the files say, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CheckpointError, InvalidRequest, UnknownPlugin, UnsupportedTask
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
