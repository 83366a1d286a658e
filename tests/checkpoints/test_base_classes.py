"""Which class of transformers gives a checkpoint's hidden states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cenote.checkpoints import build_config, load_backbone, open_checkpoint
from cenote.checkpoints.classes import base_class
from cenote.errors import UnknownArchitecture
from cenote.testing.architectures import Architecture, build_architecture


@pytest.mark.parametrize(
    ("name", "model_type", "loaded", "decoder"),
    [
        ("LlamaForCausalLM", "llama", "LlamaModel", False),
        ("BertLMHeadModel", "bert", "BertModel", False),
        ("FunnelBaseModel", "funnel", "FunnelBaseModel", False),
        ("T5Model", "t5", "T5EncoderModel", False),
        ("T5ForConditionalGeneration", "t5", "T5EncoderModel", False),
        ("BartModel", "bart", "BartModel", False),
        ("BartForConditionalGeneration", "bart", "BartModel", False),
        ("BartForCausalLM", "bart", "BartForCausalLM", True),
        ("TrOCRForCausalLM", "trocr", "TrOCRForCausalLM", True),
        ("MllamaForCausalLM", "mllama_text_model", "MllamaForCausalLM", True),
        ("NameOfNobody", "bert", "BertModel", False),
    ],
)
def test_the_base_class_or_a_half_is_chosen(
    name: str, model_type: str, loaded: str, decoder: bool, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [name], "model_type": model_type}))
    checkpoint = open_checkpoint(str(tmp_path))
    found = base_class(checkpoint, build_config(checkpoint))
    assert found.loaded is not None
    assert (found.loaded.__name__, found.decoder) == (loaded, decoder)


def test_a_config_without_any_class_is_an_unknown_architecture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["TrOCRModel"], "model_type": "trocr"}))
    checkpoint = open_checkpoint(str(tmp_path))
    with pytest.raises(UnknownArchitecture, match="no base model for model_type 'trocr'"):
        base_class(checkpoint, build_config(checkpoint))


def test_only_the_decoder_of_a_causal_model_of_two_halves_is_kept(tmp_path: Path) -> None:

    build_architecture(Architecture(name="BartForCausalLM", model_type="bart"), tmp_path)
    checkpoint = open_checkpoint(str(tmp_path))
    config = build_config(checkpoint)
    model = load_backbone(checkpoint, config, dtype=torch.float32, device="cpu", attn_implementation=None)
    assert type(model).__name__ == "BartDecoder"
    assert not any("lm_head" in name for name, _ in model.named_parameters())


def test_numbers_that_json_cannot_hold_are_read_as_transformers_writes_them(tmp_path: Path) -> None:
    limits = {"model_type": "mamba2", "time_step_limit": [0.0, {"__float__": "Infinity"}]}
    (tmp_path / "config.json").write_text(json.dumps(limits))
    config = build_config(open_checkpoint(str(tmp_path)))
    assert tuple(config.time_step_limit) == (0.0, float("inf"))
