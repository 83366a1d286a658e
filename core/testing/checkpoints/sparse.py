"""Sparse encoders: masked language models with the files of sentence-transformers' `SparseEncoder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cenote.testing.checkpoints.classifiers import with_head
from cenote.testing.checkpoints.cross_encoders import MODULE
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["SPARSE"]

#: Dotted names as sentence-transformers 5.0 writes them, and as 6.2 does.
_OLD = ("sentence_transformers.sparse_encoder.models.MLMTransformer", "sentence_transformers.sparse_encoder.models.{}")
_NEW = (MODULE["Transformer"], "sentence_transformers.sparse_encoder.modules.splade_pooling.{}")


def _entries(transformer: str, pooling: str) -> list[dict[str, Any]]:
    parts = (("", transformer), ("1_SpladePooling", pooling.format("SpladePooling")))
    return [{"idx": index, "name": str(index), "path": path, "type": kind} for index, (path, kind) in enumerate(parts)]


def _old(_: TinyTokenizer) -> dict[str, Any]:
    """Return the files that sentence-transformers 5.0 writes."""
    return {
        "modules.json": _entries(*_OLD),
        "1_SpladePooling/config.json": {
            "pooling_strategy": "max",
            "activation_function": "relu",
            "word_embedding_dimension": None,
        },
        "sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "model_type": "SparseEncoder",
            "__version__": {"sentence_transformers": "5.0.0", "transformers": "4.50.3", "pytorch": "2.6.0+cu124"},
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "dot",
        },
    }


def _new(
    *,
    strategy: str = "max",
    activation: str = "relu",
    most_terms: int | None = None,
    prompts: Mapping[str, str] | None = None,
) -> Callable[[TinyTokenizer], dict[str, Any]]:
    """Return the files that sentence-transformers 6.2 writes."""
    settings: dict[str, Any] = {} if most_terms is None else {"max_active_dims": most_terms}
    return lambda _: {
        "modules.json": _entries(*_NEW),
        "1_SpladePooling/config.json": {
            "pooling_strategy": strategy,
            "activation_function": activation,
            "embedding_dimension": None,
        },
        "sentence_bert_config.json": {
            "transformer_task": "fill-mask",
            "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
            "module_output_name": "token_embeddings",
        },
        "config_sentence_transformers.json": {
            "__version__": {"pytorch": "2.13.0", "sentence_transformers": "6.2.0", "transformers": "5.23.0"},
            "default_prompt_name": None,
            "model_type": "SparseEncoder",
            "prompts": {"document": "", "query": ""} | dict(prompts or {}),
            "similarity_fn_name": "dot",
            **settings,
        },
    }


#: Folder of the weights that queries get.
_STORED = "query_0_SparseStaticEmbedding"


def _inference_free(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return the files of a model whose queries are not read by the network, as published."""
    models = "sentence_transformers.sparse_encoder.models."
    types = {
        _STORED: f"{models}SparseStaticEmbedding",
        "": f"{models}MLMTransformer",
        "document_1_SpladePooling": f"{models}SpladePooling",
    }
    query, *document = types
    plain = _old(tokenizer)
    files = {
        "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}],
        "router_config.json": {
            "types": types,
            "structure": {"query": [query], "document": document},
            "parameters": {"default_route": "document", "allow_empty_key": True},
        },
        "document_1_SpladePooling/config.json": {
            "pooling_strategy": "max",
            "activation_function": "log1p_relu",
            "word_embedding_dimension": None,
        },
        f"{_STORED}/config.json": {"frozen": False},
        **{f"{_STORED}/{name}": content for name, content in tokenizer.files(160).items()},
    }
    return files | {name: plain[name] for name in ("sentence_bert_config.json", "config_sentence_transformers.json")}


def _sparse(base: str, name: str, model_class: str, **changes: Any) -> Family:
    # Of random logits half are positive; trained models give most terms no weight.
    return with_head(base, name, model_class, vocabulary_bias=-12.0, head_gain=1.0, **changes)


SPARSE: tuple[Family, ...] = (
    # naver/splade-v3
    _sparse("bert", "splade", "BertForMaskedLM", files=_old),
    # naver/splade-v3-distilbert, saved anew
    _sparse(
        "distilbert",
        "splade_distilbert",
        "DistilBertForMaskedLM",
        files=_new(activation="log1p_relu", most_terms=24, prompts={"query": "query: "}),
    ),
    # ibm-granite/granite-embedding-30m-sparse, with the sum of the first SPLADE
    _sparse("roberta", "splade_roberta", "RobertaForMaskedLM", files=_new(strategy="sum")),
    _sparse("modernbert", "splade_modernbert", "ModernBertForMaskedLM", files=_new()),
    # opensearch-project/opensearch-neural-sparse-encoding-doc-v3-distill
    _sparse(
        "distilbert",
        "splade_doc",
        "DistilBertForMaskedLM",
        files=_inference_free,
        modules={_STORED: {"weight": (625,)}},
    ),
    # naver/splade_v2_max and others without the files of sentence-transformers
    _sparse("bert", "splade_bare", "BertForMaskedLM"),
)
