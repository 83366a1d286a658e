"""Configs made for a checkpoint's own code become ones that transformers' classes read rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GteConfig, GteModel, NomicBertConfig, NomicBertModel

from cenote.checkpoints import build_config, load_backbone, open_checkpoint
from cenote.checkpoints.repairs.gte import repair_gte
from cenote.checkpoints.repairs.nomic import repair_nomic
from cenote.errors import CheckpointError

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 40,
    "max_position_embeddings": 64,
}
IDS = torch.arange(3, 35)[None]

#: The published layout of nomic-embed-text-v1.5, with small sizes.
NOMIC = {
    "architectures": ["NomicBertModel"],
    "model_type": "nomic_bert",
    "auto_map": {"AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig"},
    "activation_function": "swiglu",
    "causal": False,
    "layer_norm_epsilon": 1e-5,
    "max_trained_positions": 32,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "n_embd": 32,
    "n_head": 2,
    "n_inner": 48,
    "n_layer": 2,
    "n_positions": 64,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rotary_emb_base": 500,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_scaling_factor": None,
    "type_vocab_size": 2,
    "vocab_size": 40,
}
GTE = {
    "architectures": ["NewModel"],
    "model_type": "new",
    "auto_map": {"AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig"},
    "layer_norm_type": "layer_norm",
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_theta": 20000,
    "type_vocab_size": 1,
    **SIZES,
}


def _hidden(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(IDS).last_hidden_state)


def _load(folder: Path, repair: Any) -> torch.nn.Module:
    checkpoint = open_checkpoint(str(folder))
    repaired = checkpoint.with_config(repair(checkpoint.config))
    return load_backbone(
        repaired, build_config(repaired), dtype=torch.float32, device="cpu", attn_implementation="sdpa"
    )


def test_a_published_nomic_layout_equals_the_native_model(tmp_path: Path, write_json: Any) -> None:
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": 500.0}
    native = NomicBertModel(NomicBertConfig(**SIZES, layer_norm_eps=1e-5, rope_parameters=rope)).eval()
    native.save_pretrained(tmp_path)
    assert "encoder.layers.0.attn.Wqkv.weight" in load_file(tmp_path / "model.safetensors")
    write_json(tmp_path / "config.json", NOMIC)
    assert torch.equal(_hidden(_load(tmp_path, repair_nomic)), _hidden(native))


def test_without_the_repair_the_nomic_keys_do_not_load(tmp_path: Path, write_json: Any) -> None:
    NomicBertModel(NomicBertConfig(**SIZES)).save_pretrained(tmp_path)
    write_json(tmp_path / "config.json", NOMIC)
    with pytest.raises(CheckpointError):
        _load(tmp_path, dict)


def test_nomic_scaling_becomes_dynamic_rope() -> None:
    config = repair_nomic(NOMIC | {"rotary_scaling_factor": 2.0})
    assert config["rope_parameters"] == {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 2.0}
    assert config["max_position_embeddings"] == 32
    assert repair_nomic(NOMIC)["max_position_embeddings"] == 64


@pytest.mark.parametrize(
    "entries",
    [
        {"qkv_proj_bias": True},
        {"mlp_fc1_bias": True},
        {"activation_function": "gelu"},
        {"moe_every_n_layers": 2},
        {"rotary_emb_fraction": 0.5},
        {"rotary_emb_interleaved": True},
        {"prenorm": True},
        {"causal": True},
        {"n_inner": None},
    ],
    ids=str,
)
def test_nomic_parts_that_transformers_lacks_are_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(entries))):
        repair_nomic(NOMIC | entries)


def test_a_native_config_is_left_alone() -> None:
    native = NomicBertConfig(**SIZES).to_dict()
    assert repair_nomic(native) is native
    gte = GteConfig(**SIZES).to_dict()
    assert repair_gte(gte) is gte


@pytest.mark.parametrize("prefix", ["new.", ""])
def test_a_published_gte_layout_equals_the_native_model(prefix: str, tmp_path: Path, write_json: Any) -> None:
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": 20000.0}
    native = GteModel(GteConfig(**SIZES, type_vocab_size=1, rope_parameters=rope)).eval()
    native.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert "encoder.layer.0.attention.qkv_proj.weight" in stored
    renamed = {f"{prefix}{name}": value for name, value in stored.items()}
    save_file(renamed, tmp_path / "model.safetensors", {"format": "pt"})
    write_json(tmp_path / "config.json", GTE)
    assert torch.equal(_hidden(_load(tmp_path, repair_gte)), _hidden(native))


def test_gte_ntk_scaling_has_the_published_frequencies() -> None:
    config = repair_gte(GTE | {"rope_scaling": {"type": "ntk", "factor": 8.0}})
    model = GteModel(GteConfig.from_dict(config))
    step = torch.arange(8, dtype=torch.float64)
    wanted = (20000 * 8.0) ** (-2 * step / 16) / 8.0 ** (2 / 16)
    found = model.rotary_emb.inv_freq
    assert torch.allclose(torch.as_tensor(found).double(), wanted, rtol=1e-6)
    assert model.rotary_emb.attention_scaling == 1.0


@pytest.mark.parametrize(
    "entries",
    [
        {"rope_scaling": {"type": "yarn", "factor": 2.0}},
        {"rope_scaling": {"type": "ntk"}},
        {"rope_scaling": {"type": "ntk", "factor": 2.0, "mixed_b": 0.5}},
        {"rope_scaling": "ntk"},
        {"layer_norm_type": "rms_norm"},
        {"position_embedding_type": "absolute"},
        {"logn_attention_scale": True},
        {"pack_qkv": False},
    ],
    ids=str,
)
def test_gte_parts_that_transformers_lacks_are_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(entries))):
        repair_gte(GTE | entries)
