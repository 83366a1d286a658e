"""Classifiers of every family equal transformers' complete classes, one text at a time, whatever shares the batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import BartConfig, BartForSequenceClassification

from cenote import LLM
from cenote.adapters.base import LoadOptions
from cenote.adapters.classify import SequenceClassifierAdapter, TokenClassifierAdapter
from cenote.adapters.packing import pack
from cenote.adapters.text import TextPoolingModel
from cenote.checkpoints import Checkpoint, build_config, open_checkpoint
from cenote.checkpoints.repairs.gte import repair_gte
from cenote.config import PoolerConfig
from cenote.errors import CheckpointError
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingBatch, PoolingParams, PoolingRow, Prompt, TokenizationOptions

TEXTS = ("hello world", "a", "the quick brown fox jumps over the lazy dog, twice", "x y z", "five")
SEQUENCE = (
    *("bert", "roberta", "xlm_roberta", "modernbert", "distilbert", "deberta_v2", "electra", "gte"),
    *("qwen2", "qwen3", "llama", "gemma"),
)
TOKENS = ("bert", "roberta", "xlm_roberta", "modernbert", "distilbert", "deberta_v2", "electra", "qwen2", "qwen3")


def _open(folder: Path) -> Checkpoint:
    checkpoint = open_checkpoint(str(folder))
    return checkpoint.with_config(repair_gte(dict(checkpoint.config)))


def _load(adapter: Any, folder: Path, **options: Any) -> TextPoolingModel:
    config = PoolerConfig(**options.pop("pooler_config", {}))
    loaded: TextPoolingModel = adapter.load(_open(folder), LoadOptions(pooler_config=config, **options))
    return loaded


def _ids(model: TextPoolingModel, texts: Sequence[str] = TEXTS) -> list[tuple[int, ...]]:
    prompts = [Prompt(text=text) for text in texts]
    return [model.prepare(item, None, PoolingParams(), TokenizationOptions()).token_ids for item in prompts]


def _run(model: TextPoolingModel, task: str, ids: list[tuple[int, ...]], **params: Any) -> list[Tensor]:
    chosen = PoolingParams(**{"use_activation": False, **params})
    rows = [PoolingRow(length=len(item), tasks=(task,), params=chosen, token_ids=item) for item in ids]
    with torch.inference_mode():
        results = model.pooler(model.forward(pack(ids)), PoolingBatch(tuple(rows)))
    return [result[task] for result in results]


def _reference(folder: Path, ids: list[tuple[int, ...]], auto: Any) -> list[Tensor]:
    model = auto.from_pretrained(folder, config=build_config(_open(folder))).train(False)
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([item])).logits[0] for item in ids]


def _assert_close(found: list[Tensor], expected: list[Tensor], atol: float = 5e-6) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=atol * max(1.0, float(other.abs().max())), rtol=0)


@pytest.mark.parametrize("name", SEQUENCE)
def test_a_sequence_classifier_equals_transformers(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(f"{name}_classifier", tmp_path)
    model = _load(SequenceClassifierAdapter, folder)
    assert model.pooler.supported_tasks() == {"classify", "token_classify"}
    assert model.labels == ("negative", "neutral", "positive")
    ids = _ids(model)
    found = _run(model, "classify", ids)
    _assert_close(found, _reference(folder, ids, transformers.AutoModelForSequenceClassification))
    _assert_close([_run(model, "classify", [item])[0] for item in ids], found)


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_classifier_equals_transformers(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(f"{name}_token_classifier", tmp_path)
    model = _load(TokenClassifierAdapter, folder)
    assert model.pooler.supported_tasks() == {"token_classify"}
    ids = _ids(model)
    found = _run(model, "token_classify", ids)
    _assert_close(found, _reference(folder, ids, transformers.AutoModelForTokenClassification))
    _assert_close([_run(model, "token_classify", [item])[0] for item in ids], found)


@pytest.mark.parametrize(
    ("architecture", "task", "auto"),
    [
        ("NewForSequenceClassification", "classify", transformers.AutoModelForSequenceClassification),
        ("GteNewForSequenceClassification", "classify", transformers.AutoModelForSequenceClassification),
        ("NewForTokenClassification", "token_classify", transformers.AutoModelForTokenClassification),
        ("GteNewForTokenClassification", "token_classify", transformers.AutoModelForTokenClassification),
    ],
)
def test_gte_classifiers_are_known_by_all_their_names(architecture: str, task: str, auto: Any, tmp_path: Path) -> None:
    folder = build_checkpoint("gte_classifier", tmp_path, config={"architectures": [architecture]})
    with LLM(str(folder)) as llm:
        assert llm.report()["adapter"].startswith("alibaba-gte-")
        params = PoolingParams(use_activation=False)
        outputs = llm.encode(list(TEXTS), pooling_task=task, pooling_params=params, use_tqdm=False)
    found = [output.outputs.data for output in outputs]
    _assert_close(found, _reference(folder, [tuple(output.prompt_token_ids) for output in outputs], auto))


@pytest.mark.parametrize("name", ["bert", "distilbert", "llama"])
def test_the_head_of_a_sequence_classifier_judges_every_token(name: str, tmp_path: Path) -> None:
    model = _load(SequenceClassifierAdapter, build_checkpoint(f"{name}_classifier", tmp_path))
    ids = _ids(model)
    place = -1 if name == "llama" else 0
    _assert_close([rows[place] for rows in _run(model, "token_classify", ids)], _run(model, "classify", ids))


@pytest.mark.parametrize(
    ("name", "config", "pooling"),
    [
        ("bert", {}, "first token"),
        ("modernbert", {"classifier_pooling": "cls"}, "first token"),
        ("modernbert", {"classifier_pooling": "mean"}, "all tokens"),
        ("llama", {}, "last token that is not padding"),
        ("llama", {"pad_token_id": None}, "last token"),
    ],
)
def test_the_rows_that_a_head_needs_are_found_out(
    name: str, config: dict[str, Any], pooling: str, tmp_path: Path
) -> None:
    folder = build_checkpoint(f"{name}_classifier", tmp_path, config=config)
    model = _load(SequenceClassifierAdapter, folder)
    assert model.report()["head"].endswith(f" on {pooling}")
    ids = _ids(model)
    expected = _reference(folder, ids, transformers.AutoModelForSequenceClassification)
    _assert_close(_run(model, "classify", ids), expected)


def test_a_head_on_whole_sequences_takes_those_of_unlike_lengths_apart(tmp_path: Path) -> None:
    folder = build_checkpoint("modernbert_classifier", tmp_path, config={"classifier_pooling": "mean"})
    model = _load(SequenceClassifierAdapter, folder)
    ids = _ids(model, ["a", "word " * 30, "two words", "word " * 25, "b", "word " * 8])
    expected = _reference(folder, ids, transformers.AutoModelForSequenceClassification)
    _assert_close(_run(model, "classify", ids), expected)


def test_a_text_that_ends_with_padding_is_read_as_transformers_reads_it(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_classifier", tmp_path)
    model = _load(SequenceClassifierAdapter, folder)
    pad = build_config(_open(folder)).pad_token_id
    assert pad is not None
    ids = [(*item, pad) for item in _ids(model)]
    expected = _reference(folder, ids, transformers.AutoModelForSequenceClassification)
    _assert_close(_run(model, "classify", ids), expected)
    as_vllm = _load(SequenceClassifierAdapter, folder, compat="vllm")
    last = [rows[-1] for rows in _run(as_vllm, "token_classify", ids)]
    _assert_close(_run(as_vllm, "classify", ids), last)


def test_a_head_that_looks_for_the_end_of_text_token_finds_it(tmp_path: Path) -> None:
    folder = build_checkpoint("roberta", tmp_path, sentence_transformers=False)
    config = BartConfig(
        vocab_size=300,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=64,
        num_labels=3,
        architectures=["BartForSequenceClassification"],
    )
    torch.manual_seed(1)
    BartForSequenceClassification(config).save_pretrained(folder)
    model = _load(SequenceClassifierAdapter, folder)
    generator = torch.Generator().manual_seed(2)
    sizes = (3, 9, 5)
    ids = [(0, *torch.randint(4, 300, (size,), generator=generator).tolist(), 2) for size in sizes]
    expected = _reference(folder, ids, transformers.AutoModelForSequenceClassification)
    _assert_close(_run(model, "classify", ids), expected)
    assert model.pooler.supported_tasks() == {"classify"}


def test_heads_are_computed_in_float32_whatever_the_backbone_is(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path)
    exact, rounded = (_load(SequenceClassifierAdapter, folder, dtype=dtype) for dtype in ("float32", "bfloat16"))
    ids = _ids(exact)
    found = _run(rounded, "classify", ids)
    assert all(value.dtype == torch.float32 for value in found)
    assert any(float(value.bfloat16().float().sub(value).abs().max()) > 0 for value in found)
    _assert_close(found, _run(exact, "classify", ids), atol=0.3)


def test_the_user_may_choose_another_pooling_method(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_classifier", tmp_path)
    config = {"seq_pooling_type": "CLS"}
    model = _load(SequenceClassifierAdapter, folder, pooler_config=config)
    assert model.report()["head"].endswith(" on CLS (user)")
    ids = _ids(model)
    _assert_close(_run(model, "classify", ids), [rows[0] for rows in _run(model, "token_classify", ids)])


def test_settings_of_the_user_win_over_those_of_the_files(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path)
    config = {"logit_mean": 1.5, "logit_sigma": 2.0, "use_activation": False}
    model = _load(SequenceClassifierAdapter, folder, pooler_config=config)
    ids = _ids(model)
    plain = _run(_load(SequenceClassifierAdapter, folder), "classify", ids)
    _assert_close(_run(model, "classify", ids, use_activation=None), [(value - 1.5) / 2.0 for value in plain])
    activated = [torch.softmax((value - 1.5) / 2.0, dim=-1) for value in plain]
    _assert_close(_run(model, "classify", ids, use_activation=True), activated)
    assert model.report()["calibration"] == "(logit - 1.5) / 2"


def test_steps_are_pooled_where_the_user_says_so(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_token_classifier", tmp_path)
    model = _load(TokenClassifierAdapter, folder, pooler_config={"tok_pooling_type": "STEP", "step_tag_id": 102})
    assert model.limits.token_pooling == "STEP"
    plain = _load(TokenClassifierAdapter, folder)
    ids = _ids(model)
    tag = ids[0][-1]
    found = _run(model, "token_classify", ids, step_tag_id=tag, returned_token_ids=[0, 3])
    kept = [
        rows[[place for place, token in enumerate(item) if token == tag]][:, [0, 3]]
        for item, rows in zip(ids, _run(plain, "token_classify", ids), strict=True)
    ]
    _assert_close(found, kept)


@pytest.mark.parametrize(
    ("labels", "tasks"), [(1, {"classify", "score", "token_classify"}), (2, {"classify", "token_classify"})]
)
def test_only_a_model_of_one_label_scores(labels: int, tasks: set[str], tmp_path: Path) -> None:
    model = _load(SequenceClassifierAdapter, build_checkpoint("bert_classifier", tmp_path, labels=labels))
    assert model.pooler.supported_tasks() == tasks
    assert model.limits.num_labels == labels


def test_a_backbone_without_a_classifier_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3", tmp_path)
    with pytest.raises(CheckpointError, match=r"score\.weight.*train a head.*classifier_from_token"):
        _load(SequenceClassifierAdapter, folder)


def test_a_missing_pooling_layer_of_the_base_model_is_an_error(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path, pooler=False)
    with pytest.raises(CheckpointError, match=r"bert\.pooler\.dense"):
        _load(SequenceClassifierAdapter, folder)


def test_a_family_without_such_a_class_is_an_error(tmp_path: Path) -> None:
    config = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model"}
    checkpoint = _open(build_checkpoint("bert", tmp_path)).with_config(config)
    with pytest.raises(
        CheckpointError, match=r"no class \.\.\.ForSequenceClassification for model_type 'clip_text_model'"
    ):
        SequenceClassifierAdapter.model_class(checkpoint)
