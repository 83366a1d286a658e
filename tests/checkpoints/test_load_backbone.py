"""Every tensor of a backbone is read from the files, or loading fails and says which."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import utils as hub_utils
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.utils import logging as transformers_logging

from cenote.checkpoints import build_config, load_backbone, open_checkpoint
from cenote.errors import CheckpointError, UnknownArchitecture

EditConfig = Callable[..., None]
IDS = torch.tensor([[2, 5, 6, 3]])


def _load(folder: Path, **options: Any) -> PreTrainedModel:
    checkpoint = open_checkpoint(str(folder))
    settings: dict[str, Any] = {"dtype": torch.float32, "device": "cpu", "attn_implementation": "sdpa"} | options
    return load_backbone(checkpoint, build_config(checkpoint), **settings)


def _edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})


def _hidden(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(IDS).last_hidden_state)


@pytest.fixture
def reference(saved_bert: Path) -> torch.Tensor:
    return _hidden(BertModel.from_pretrained(saved_bert).eval())


def test_the_loaded_model_is_the_saved_one(bert: Path, reference: torch.Tensor) -> None:
    model = _load(bert)
    assert type(model) is BertModel
    assert torch.equal(_hidden(model), reference)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_dtype_and_attention_are_as_asked(bert: Path) -> None:
    model = _load(bert, dtype=torch.bfloat16, attn_implementation="eager")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.config._attn_implementation == "eager"


def test_the_unused_pooler_is_not_kept_unless_asked_for(bert: Path) -> None:
    assert _load(bert).pooler is None
    assert _load(bert, keep_pooler=True).pooler is not None


def test_a_missing_pooler_is_no_error(bert: Path, reference: torch.Tensor) -> None:
    _edit(bert, lambda state: {name: value for name, value in state.items() if not name.startswith("pooler")})
    assert torch.equal(_hidden(_load(bert)), reference)
    with pytest.raises(CheckpointError, match=r"pooler\.dense"):
        _load(bert, keep_pooler=True, allowed_missing=())


@pytest.mark.parametrize("rename", [lambda name: f"bert.{name}", lambda name: name])
def test_old_position_ids_and_the_base_prefix_are_understood(
    rename: Callable[[str], str], bert: Path, reference: torch.Tensor
) -> None:
    extra = {"embeddings.position_ids": torch.arange(32)[None], "cls.predictions.bias": torch.zeros(40)}
    _edit(bert, lambda state: {rename(name): value for name, value in (state | extra).items()})
    assert torch.equal(_hidden(_load(bert)), reference)


def test_a_pickled_backbone_loads_and_a_malicious_one_does_not(bert: Path, reference: torch.Tensor) -> None:
    state = load_file(bert / "model.safetensors")
    (bert / "model.safetensors").unlink()
    torch.save(state, bert / "pytorch_model.bin")
    assert torch.equal(_hidden(_load(bert)), reference)
    torch.save({"a": Path}, bert / "pytorch_model.bin")
    with pytest.raises(CheckpointError):
        _load(bert)


def test_a_sharded_backbone_loads(bert: Path, saved_bert: Path, reference: torch.Tensor) -> None:
    (bert / "model.safetensors").unlink()
    BertModel.from_pretrained(saved_bert).save_pretrained(bert, max_shard_size="10KB")
    assert torch.equal(_hidden(_load(bert)), reference)
    next(bert.glob("model-00002*")).unlink()
    with pytest.raises(CheckpointError, match="missing"):
        _load(bert)


def test_translated_tensors_take_the_place_of_the_files(bert: Path, reference: torch.Tensor) -> None:
    tensors = load_file(bert / "model.safetensors")
    (bert / "model.safetensors").unlink()
    assert torch.equal(_hidden(_load(bert, tensors=tensors)), reference)
    del tensors["encoder.layer.1.output.dense.weight"]
    with pytest.raises(CheckpointError, match=r"1 of \d+ tensors.*encoder\.layer\.1\.output\.dense\.weight"):
        _load(bert, tensors=tensors)


def test_a_missing_tensor_is_an_error_with_its_name(bert: Path) -> None:
    gone = "encoder.layer.1.output.dense.weight"
    _edit(bert, lambda state: {name: value for name, value in state.items() if name != gone})
    with pytest.raises(CheckpointError, match=rf"1 of \d+ tensors.*{gone}"):
        _load(bert)
    assert _load(bert, allowed_missing=("pooler.", "encoder.layer.1."))


def test_many_missing_tensors_are_counted_and_five_named(bert: Path) -> None:
    _edit(bert, lambda state: {f"other.{name}": value for name, value in state.items()})
    with pytest.raises(CheckpointError) as caught:
        _load(bert)
    assert str(caught.value).count(".weight") + str(caught.value).count(".bias") == 5
    assert "37 of 37" in str(caught.value)


def test_more_layers_in_the_config_than_in_the_files_is_an_error(bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, num_hidden_layers=3)
    with pytest.raises(CheckpointError, match=r"16 of .*encoder\.layer\.2"):
        _load(bert)


def test_other_shapes_are_an_error_with_both(bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, intermediate_size=64)
    with pytest.raises(CheckpointError, match=r"intermediate\.dense.*\(32,.*\(64,"):
        _load(bert)


@pytest.mark.parametrize("size", [10**9, 2**31, 2**63, 10**30])
def test_absurd_sizes_are_a_clean_error(size: int, bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, vocab_size=size)
    with pytest.raises(CheckpointError):
        _load(bert)


def test_a_config_whose_sizes_do_not_divide_is_a_clean_error(bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, num_attention_heads=3)
    with pytest.raises(CheckpointError, match="multiple"):
        _load(bert)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_a_clean_error(keep: int, bert: Path) -> None:
    file = bert / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        _load(bert)


def test_a_classifiers_backbone_loads_without_its_head(tmp_path: Path, bert: Path) -> None:
    torch.manual_seed(1)
    whole = BertForSequenceClassification(BertConfig.from_pretrained(bert)).eval()
    whole.save_pretrained(tmp_path / "classifier")
    assert torch.equal(_hidden(_load(tmp_path / "classifier")), _hidden(whole.bert))


@pytest.mark.parametrize("tied", [True, False])
def test_a_language_models_backbone_loads_without_its_head(tied: bool, tmp_path: Path) -> None:
    config = Qwen3Config(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(1)
    whole = Qwen3ForCausalLM(config).eval()
    whole.save_pretrained(tmp_path / "lm")
    assert torch.equal(_hidden(_load(tmp_path / "lm")), _hidden(whole.model))


def test_a_model_class_may_be_given(bert: Path, saved_bert: Path) -> None:
    with pytest.raises(CheckpointError, match="classifier"):
        _load(bert, model_class=BertForSequenceClassification)
    kept = _load(bert, model_class=BertForSequenceClassification, allowed_missing=("classifier.",))
    assert type(kept) is BertForSequenceClassification


def test_weights_of_another_family_are_an_error(bert: Path, tmp_path: Path) -> None:
    config = ModernBertConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        **dict.fromkeys(("pad_token_id", "eos_token_id", "bos_token_id", "cls_token_id", "sep_token_id"), 0),
    )
    ModernBertModel(config).save_pretrained(tmp_path / "modern")
    (bert / "model.safetensors").write_bytes((tmp_path / "modern" / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="another architecture"):
        _load(bert)


def test_a_config_without_base_model_is_an_error(bert: Path, edit_config: EditConfig) -> None:
    edit_config(bert, model_type="timm_wrapper_x")
    with pytest.raises(UnknownArchitecture):
        _load(bert)


@pytest.mark.parametrize("bars", [True, False])
def test_loading_prints_nothing_and_restores_what_it_changed(
    bars: bool, bert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    level, were = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    gone = "encoder.layer.1.output.dense.weight"
    _edit(bert, lambda state: {name: value for name, value in state.items() if name != gone})
    try:
        transformers_logging.set_verbosity(logging.INFO)
        (transformers_logging.enable_progress_bar if bars else transformers_logging.disable_progress_bar)()
        capfd.readouterr()
        with pytest.raises(CheckpointError):
            _load(bert)
        _load(bert, allowed_missing=("encoder.",), dtype=torch.float16)
        assert capfd.readouterr() == ("", "")
        assert transformers_logging.get_verbosity() == logging.INFO
        assert transformers_logging.is_progress_bar_enabled() == bars
        assert hub_utils.are_progress_bars_disabled() != bars
        assert torch.get_default_dtype() == torch.float32
    finally:
        transformers_logging.set_verbosity(level)
        (transformers_logging.enable_progress_bar if were else transformers_logging.disable_progress_bar)()
