"""Encoder families: the keys of their published `config.json`, with tiny sizes."""

from __future__ import annotations

from typing import Any

from cenote.testing.checkpoints.encoder_tokenizers import ENCODER_TOKENIZERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["ENCODERS"]

#: Sizes that most of these configs call by the same names.
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_POSITIONS = 160


def _bert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "bert",
        **_SIZES,
        "attention_probs_dropout_prob": 0.1,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": _POSITIONS,
        "pad_token_id": tokenizer.role("pad_token"),
        "position_embedding_type": "absolute",
        "transformers_version": "4.8.2",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _electra(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # The embeddings are narrower than the layers, as in electra-small, so a projection sits between them.
    return _bert(tokenizer) | {"model_type": "electra", "embedding_size": 24, "summary_type": "first"}


def _roberta(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Positions start at pad_token_id + 1, so two rows of the table are never used.
    return _bert(tokenizer) | {
        "model_type": "roberta",
        "bos_token_id": tokenizer.role("bos_token"),
        "eos_token_id": tokenizer.role("eos_token"),
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": _POSITIONS + 2,
        "type_vocab_size": 1,
    }


def _xlm_roberta(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return _roberta(tokenizer) | {"model_type": "xlm-roberta", "output_past": True}


def _distilbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "distilbert",
        "activation": "gelu",
        "attention_dropout": 0.1,
        "dim": 32,
        "dropout": 0.1,
        "hidden_dim": 64,
        "initializer_range": 0.02,
        "max_position_embeddings": _POSITIONS,
        "n_heads": 4,
        "n_layers": 2,
        "pad_token_id": tokenizer.role("pad_token"),
        "sinusoidal_pos_embds": False,
        "vocab_size": tokenizer.vocab_size,
    }


def _modernbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Layers 0 and 3 see everything, 1 and 2 at most 6 tokens to either side; published: 22 layers, 128.
    return {
        "model_type": "modernbert",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "attention_bias": False,
        "bos_token_id": tokenizer.role("cls_token"),
        "cls_token_id": tokenizer.role("cls_token"),
        "classifier_pooling": "mean",
        "eos_token_id": tokenizer.role("sep_token"),
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "hidden_activation": "gelu",
        "local_attention": 12,
        "local_rope_theta": 10000.0,
        "max_position_embeddings": 512,
        "mlp_bias": False,
        "norm_bias": False,
        "norm_eps": 1e-5,
        "pad_token_id": tokenizer.role("pad_token"),
        "position_embedding_type": "absolute",
        "sep_token_id": tokenizer.role("sep_token"),
        "tie_word_embeddings": True,
        "vocab_size": _multiple_of_64(tokenizer.vocab_size),
    }


def _mpnet(tokenizer: TinyTokenizer) -> dict[str, Any]:
    config = _roberta(tokenizer) | {"model_type": "mpnet", "relative_attention_num_buckets": 32}
    return {key: value for key, value in config.items() if key not in {"type_vocab_size", "use_cache"}}


def _deberta(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return _bert(tokenizer) | {
        "model_type": "deberta-v2",
        "layer_norm_eps": 1e-7,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "position_buckets": 16,
        "relative_attention": True,
        "share_att_key": True,
        "type_vocab_size": 0,
    }


def _nomic(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "nomic_bert",
        "activation_function": "swiglu",
        "auto_map": {
            "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
            "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
        },
        "causal": False,
        "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 512,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "n_embd": 32,
        "n_head": 4,
        "n_inner": 64,
        "n_layer": 2,
        "n_positions": 512,
        "pad_vocab_size_multiple": 64,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "type_vocab_size": 2,
        "use_rms_norm": False,
        "vocab_size": _multiple_of_64(tokenizer.vocab_size),
    }


def _native_nomic(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "hidden_act": "silu",
        "hidden_size": config["n_embd"],
        "intermediate_size": config["n_inner"],
        "layer_norm_eps": config["layer_norm_epsilon"],
        "max_position_embeddings": config["n_positions"],
        "num_attention_heads": config["n_head"],
        "num_hidden_layers": config["n_layer"],
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config["rotary_emb_base"])},
        "type_vocab_size": config["type_vocab_size"],
        "vocab_size": config["vocab_size"],
    }


def _gte(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "new",
        **_SIZES,
        "attention_probs_dropout_prob": 0.0,
        "auto_map": {
            "AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
            "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel",
        },
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12,
        "layer_norm_type": "layer_norm",
        "logn_attention_clip1": False,
        "logn_attention_scale": False,
        "max_position_embeddings": 512,
        "pack_qkv": True,
        "pad_token_id": tokenizer.role("pad_token"),
        "position_embedding_type": "rope",
        "rope_scaling": {"factor": 8.0, "type": "ntk"},
        "rope_theta": 20000,
        "type_vocab_size": 1,
        "unpad_inputs": False,
        "use_memory_efficient_attention": False,
        "vocab_size": tokenizer.vocab_size,
    }


def _native_gte(config: dict[str, Any]) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": float(config["rope_theta"])}
    foreign = {"model_type", "auto_map", "rope_scaling", "rope_theta"}
    return {key: value for key, value in config.items() if key not in foreign} | {"rope_parameters": rope}


def _multiple_of_64(size: int) -> int:
    return -(-size // 64) * 64


ENCODERS = (
    Family(
        name="bert",
        model_class="BertModel",
        architecture="BertModel",
        tokenizer=ENCODER_TOKENIZERS["bert"],
        config=_bert,
        extra_tensors={"embeddings.position_ids": (1, _POSITIONS)},
    ),
    Family(
        name="electra",
        model_class="ElectraModel",
        architecture="ElectraModel",
        tokenizer=ENCODER_TOKENIZERS["electra"],
        config=_electra,
    ),
    Family(
        name="roberta",
        model_class="RobertaModel",
        architecture="RobertaModel",
        tokenizer=ENCODER_TOKENIZERS["roberta"],
        config=_roberta,
    ),
    Family(
        name="xlm_roberta",
        model_class="XLMRobertaModel",
        architecture="XLMRobertaModel",
        tokenizer=ENCODER_TOKENIZERS["xlm_roberta"],
        config=_xlm_roberta,
        prompts={"query": "query: ", "passage": "passage: "},
    ),
    Family(
        name="distilbert",
        model_class="DistilBertModel",
        architecture="DistilBertModel",
        tokenizer=ENCODER_TOKENIZERS["distilbert"],
        config=_distilbert,
        pooling="cls",
    ),
    Family(
        name="modernbert",
        model_class="ModernBertModel",
        architecture="ModernBertModel",
        tokenizer=ENCODER_TOKENIZERS["modernbert"],
        config=_modernbert,
        pooling="cls",
    ),
    Family(
        name="mpnet",
        model_class="MPNetModel",
        architecture="MPNetModel",
        tokenizer=ENCODER_TOKENIZERS["mpnet"],
        config=_mpnet,
    ),
    Family(
        name="deberta_v2",
        model_class="DebertaV2Model",
        architecture="DebertaV2Model",
        tokenizer=ENCODER_TOKENIZERS["deberta"],
        config=_deberta,
    ),
    Family(
        name="nomic",
        model_class="NomicBertModel",
        architecture="NomicBertModel",
        tokenizer=ENCODER_TOKENIZERS["nomic"],
        config=_nomic,
        native=_native_nomic,
        native_layout=False,
        prompts={"search_query": "search_query: ", "search_document": "search_document: "},
    ),
    Family(
        name="gte",
        model_class="GteModel",
        architecture="NewModel",
        tokenizer=ENCODER_TOKENIZERS["xlm_roberta"],
        config=_gte,
        native=_native_gte,
        native_layout=False,
        prefix="new.",
        ntk_factor=8.0,
        pooling="cls",
        extra_tensors={"classifier.weight": (1, 32), "classifier.bias": (1,)},
    ),
)
