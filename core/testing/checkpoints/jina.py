"""jina-embeddings-v3: five low-rank adapters stored with each weight, and a config without `model_type`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.testing.checkpoints.encoder_tokenizers import ENCODER_TOKENIZERS
from cenote.testing.checkpoints.family import Family, Tensors
from cenote.testing.checkpoints.tokenizer import TinyTokenizer
from cenote.testing.checkpoints.weights import random_tensor

__all__ = ["JINA", "flash_config", "native_flash"]

_INSTRUCTIONS = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
    "separation": "",
    "classification": "",
    "text-matching": "",
}
_RANK = 4
_REMOTE = "jinaai/xlm-roberta-flash-implementation--"


def flash_config(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return the keys that the configs of jina's XLM-RoBERTa with fused attention share."""
    return {
        "auto_map": {
            "AutoConfig": f"{_REMOTE}configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": f"{_REMOTE}modeling_xlm_roberta.XLMRobertaModel",
            "AutoModelForMaskedLM": f"{_REMOTE}modeling_xlm_roberta.XLMRobertaForMaskedLM",
            "AutoModelForPreTraining": f"{_REMOTE}modeling_xlm_roberta.XLMRobertaForPreTraining",
        },
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": tokenizer.role("bos_token"),
        "classifier_dropout": None,
        "emb_pooler": None,
        "eos_token_id": tokenizer.role("eos_token"),
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 64,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 258,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "output_past": True,
        "pad_token_id": tokenizer.role("pad_token"),
        "position_embedding_type": "rotary",
        "rotary_emb_base": 20000.0,
        "torch_dtype": "float32",
        "transformers_version": "4.30.2",
        "truncate_dim": None,
        "type_vocab_size": 1,
        "use_cache": True,
        "use_flash_attn": True,
        "use_reentrant": False,
        "vocab_size": tokenizer.vocab_size,
    }


def _config(tokenizer: TinyTokenizer) -> dict[str, Any]:
    shared = flash_config(tokenizer)
    return {
        **shared,
        "auto_map": {**shared["auto_map"], "AutoModel": f"{_REMOTE}modeling_lora.XLMRobertaLoRA"},
        "load_trained_adapters": True,
        "lora_adaptations": list(_INSTRUCTIONS),
        "lora_alpha": 1,
        "lora_dropout_p": 0.0,
        "lora_main_params_trainable": False,
        "lora_rank": _RANK,
        "matryoshka_dimensions": [8, 16, 24, 32],
        "task_instructions": _INSTRUCTIONS,
    }


_NATIVE = (
    "hidden_act hidden_size intermediate_size layer_norm_eps max_position_embeddings num_attention_heads "
    "num_hidden_layers type_vocab_size vocab_size pad_token_id bos_token_id eos_token_id"
).split()


def native_flash(config: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of transformers' own config for these published keys."""
    rope = {"rope_type": "default", "rope_theta": float(config["rotary_emb_base"])}
    return {key: config[key] for key in _NATIVE} | {"rope_parameters": rope}


def _with_adapters(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
    """Store each matrix as torch's parametrisation does: the original, and the two factors of each adapter."""
    adapters = len(config["lora_adaptations"])
    stored = {}
    for name, value in tensors.items():
        if value.ndim != 2:
            stored[name] = value
            continue
        rows, columns = value.shape
        # The factors of an embedding table change places, so that A is what tokens look up.
        table = "embeddings.weight" in name
        first = (adapters, rows, _RANK) if table else (adapters, _RANK, columns)
        second = (adapters, _RANK, columns) if table else (adapters, rows, _RANK)
        stem = f"{name.removesuffix('.weight')}.parametrizations.weight"
        spread = 1.0 if table else columns**-0.5
        stored[f"{stem}.original"] = value
        stored[f"{stem}.0.lora_A"] = random_tensor(f"jina/{name}/A", first, spread)
        stored[f"{stem}.0.lora_B"] = random_tensor(f"jina/{name}/B", second, 1.0)
    return stored


def _files(_: TinyTokenizer) -> dict[str, Any]:
    library = "sentence_transformers.models"
    return {
        "modules.json": [
            {"idx": 0, "name": "transformer", "path": "", "type": "custom_st.Transformer", "kwargs": ["task"]},
            {"idx": 1, "name": "pooler", "path": "1_Pooling", "type": f"{library}.Pooling"},
            {"idx": 2, "name": "normalizer", "path": "2_Normalize", "type": f"{library}.Normalize"},
        ]
    }


JINA = (
    Family(
        name="jina_embeddings_v3",
        model_class="JinaEmbeddingsV3Model",
        architecture="XLMRobertaModel",
        tokenizer=ENCODER_TOKENIZERS["xlm_roberta"],
        config=_config,
        native=native_flash,
        native_layout=False,
        prefix="roberta.",
        publish=_with_adapters,
        prompts=_INSTRUCTIONS,
        files=_files,
    ),
)
