"""Late-interaction models: a backbone, a projection of each token, and the marks of queries and documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from cenote.testing.checkpoints.classifiers import with_head
from cenote.testing.checkpoints.colbert_files import (
    HIDDEN_SIZE,
    VECTOR_SIZE,
    artifact_metadata,
    encoder_files,
    pylate_files,
)
from cenote.testing.checkpoints.colbert_tokenizers import (
    JINA_MARKERS,
    bert_tokenizer,
    jina_tokenizer,
    lfm2_tokenizer,
    modernbert_tokenizer,
)
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.jina import flash_config, native_flash
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["COLBERT"]

_PLAIN = {entry.name: entry for entry in ENCODERS}
_Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
_Files: TypeAlias = Callable[[TinyTokenizer], dict[str, Any]]
#: The projection of one token.
_LINEAR: _Shapes = {"linear.weight": (VECTOR_SIZE, HIDDEN_SIZE)}
_RESIDUAL: _Shapes = {**_LINEAR, "residual.weight": (VECTOR_SIZE, HIDDEN_SIZE)}

_OTHER_ENCODER: Mapping[str, Any] = {
    "tasks": ("query", "document"),
    "similarity": "meanmaxsim",
    "query_length": 40,
    "query_expansion": {"strategy": "min", "attend": True, "token": "[SEP]", "length": 16},
}


def _modernbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # PyLate resizes the table of tokens to the vocabulary, markers included.
    filled = replace(tokenizer, special={**tokenizer.special, "pad_token": "[PAD]"})
    return _PLAIN["modernbert"].config(filled) | {"vocab_size": tokenizer.vocab_size}


def _jina(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return flash_config(tokenizer) | {"model_type": "xlm-roberta", "rotary_emb_base": 10000.0}


def _lfm2(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "lfm2",
        "block_auto_adjust_ff_dim": True,
        "block_dim": HIDDEN_SIZE,
        "block_ff_dim": 96,
        "block_ffn_dim_multiplier": 1.0,
        "block_multiple_of": 16,
        "block_norm_eps": 1e-5,
        "bos_token_id": tokenizer.role("bos_token"),
        "conv_L_cache": 3,
        "conv_bias": False,
        "conv_dim": HIDDEN_SIZE,
        "eos_token_id": tokenizer.role("eos_token"),
        "hidden_size": HIDDEN_SIZE,
        "initializer_range": 0.02,
        "layer_types": ["conv", "full_attention", "conv", "full_attention"],
        "max_position_embeddings": 512,
        "norm_eps": 1e-5,
        "num_attention_heads": 4,
        "num_heads": 4,
        "num_hidden_layers": 4,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.id("<|pad|>"),
        "rope_theta": 1000000.0,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _metadata(**changes: Any) -> _Files:
    return lambda _: {"artifact.metadata": artifact_metadata(**changes)}


def _stanford(name: str, dim: int = VECTOR_SIZE, **changes: Any) -> Family:
    """A BERT in the layout of colbert-ai."""
    settings: dict[str, Any] = {
        "architecture": "HF_ColBERT",
        "tokenizer": bert_tokenizer,
        "prefix": "bert.",
        "heads": lambda _: {"linear.weight": (dim, HIDDEN_SIZE)},
        "files": _metadata(dim=dim),
    }
    return with_head("bert", name, "BertModel", **settings | changes)


def _pylate(name: str, *, weights: _Shapes = _LINEAR, **settings: Any) -> Family:
    """A ModernBERT in the layout of PyLate; `settings` are those of `pylate_files`."""
    return _modern(name, lambda _: pylate_files(**settings), weights)


def _modern(
    name: str, files: Callable[[TinyTokenizer], dict[str, Any]], weights: Mapping[str, Any] = _LINEAR
) -> Family:
    return with_head(
        "modernbert",
        name,
        "ModernBertModel",
        tokenizer=modernbert_tokenizer,
        config=_modernbert,
        modules={"1_Dense": weights},
        files=files,
    )


def _other(base: str, model_class: str, tokenizer: Callable[[], TinyTokenizer], markers: tuple[str, str]) -> Family:
    """Another backbone in the layout of PyLate, with the markers that its vocabulary has."""
    query, document = markers
    return with_head(
        base,
        f"pylate_{base}",
        model_class,
        architecture=_PLAIN[base].architecture,
        tokenizer=tokenizer,
        modules={"1_Dense": _LINEAR},
        files=lambda _: pylate_files(query_prefix=query, document_prefix=document),
    )


COLBERT: tuple[Family, ...] = (
    # colbert-ir/colbertv2.0
    _stanford("colbert_v2", extra_tensors={"embeddings.position_ids": (1, 160)}),
    # the same without `artifact.metadata`, so that the defaults of the libraries hold
    _stanford("colbert_v2_bare", files=None),
    # answerdotai/answerai-colbert-small-v1
    _stanford("answerai_colbert_small", dim=12),
    # further settings of colbert-ai
    _stanford("colbert_l2", files=_metadata(similarity="l2", attend_to_mask_tokens=True)),
    # lightonai/GTE-ModernColBERT-v1
    _pylate("gte_moderncolbert"),
    # further settings of PyLate
    _pylate("pylate_attended", attend_to_expansion_tokens=True),
    _pylate("pylate_plain_queries", do_query_expansion=False, skiplist_words=["the", "a", ","]),
    _pylate("pylate_residual", residual=True, weights=_RESIDUAL),
    # PyLate on encoders that are published with code of their own
    _other("gte", "GteModel", jina_tokenizer, JINA_MARKERS),
    _other("nomic", "NomicBertModel", bert_tokenizer, ("[unused0]", "[unused1]")),
    # what sentence-transformers 6.2 makes of such a model
    _modern("multi_vector_encoder", lambda _: encoder_files()),
    # further settings of it
    _modern("multi_vector_mean", lambda _: encoder_files(**_OTHER_ENCODER)),
    # jinaai/jina-colbert-v2
    Family(
        name="jina_colbert_v2",
        model_class="JinaEmbeddingsV3Model",
        architecture="HF_ColBERT",
        tokenizer=jina_tokenizer,
        config=_jina,
        native=native_flash,
        native_layout=False,
        prefix="roberta.",
        heads=lambda _: _LINEAR,
        # The values that the model card gives to PyLate differ from those of the published file.
        files=_metadata(doc_maxlen=300, checkpoint="jinaai/xlm-roberta-flash"),
        side_files=False,
    ),
    # LiquidAI/LFM2-ColBERT-350M
    Family(
        name="lfm2_colbert",
        model_class="Lfm2Model",
        architecture="Lfm2Model",
        tokenizer=lfm2_tokenizer,
        config=_lfm2,
        modules={"1_Dense": _LINEAR},
        files=lambda _: pylate_files(),
        side_files=False,
    ),
)
