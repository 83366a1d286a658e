"""Rerankers with a classifier's head, in the layouts of those most in use and as sentence-transformers 6 saves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cenote.testing.checkpoints.classifiers import with_head
from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.templates import QWEN_RERANKER
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["CROSS_ENCODERS", "MODULE", "cross_encoder_files"]

_ONE = ("LABEL_0",)
_IDENTITY = "torch.nn.modules.linear.Identity"
_SIGMOID = "torch.nn.modules.activation.Sigmoid"
_CONFIG = {entry.name: entry.config for entry in (*ENCODERS, *DECODERS)}
#: Dotted names of the modules that sentence-transformers 6 writes.
MODULE = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "LogitScore": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore",
}
#: For each task of the Transformer module: the model's output that it takes, and what it calls it.
_OUTPUTS = {
    "sequence-classification": ("logits", "scores"),
    "feature-extraction": ("last_hidden_state", "token_embeddings"),
    "text-generation": ("logits", "causal_logits"),
}


def _with_config(base: str, extra: dict[str, Any]) -> Callable[[TinyTokenizer], dict[str, Any]]:
    return lambda tokenizer: _CONFIG[base](tokenizer) | extra


def cross_encoder_files(
    task: str,
    modules: tuple[str, ...] = ("Transformer",),
    *,
    activation: str = _SIGMOID,
    messages: bool = False,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
) -> dict[str, Any]:
    """Return the files that sentence-transformers 6.2 writes for a `CrossEncoder`.

    Args:
        task: what the Transformer module does, such as `sequence-classification`.
        modules: kinds of the modules, in order.
        activation: dotted name of the function on the scores.
        messages: the tokenizer has a chat template that takes a pair as messages of the roles query and document.
        prompts: stored instructions.
        default_prompt_name: the one that applies where none is named.
    """
    output, produced = _OUTPUTS[task]
    how = {"method": "forward", "method_output_name": output}
    modalities: dict[str, Any] = {"text": how} | ({"message": {**how, "format": "flat"}} if messages else {})
    paths = ["", *(f"{index}_{kind}" for index, kind in enumerate(modules[1:], start=1))]
    return {
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": MODULE[kind]}
            for index, (path, kind) in enumerate(zip(paths, modules, strict=True))
        ],
        "sentence_bert_config.json": {
            "transformer_task": task,
            "modality_config": modalities,
            "module_output_name": produced,
        },
        "config_sentence_transformers.json": {
            "__version__": {"pytorch": "2.13.0", "sentence_transformers": "6.2.0", "transformers": "5.23.0"},
            "activation_fn": activation,
            "default_prompt_name": default_prompt_name,
            "model_type": "CrossEncoder",
            "prompts": dict(prompts or {}),
        },
    }


def _pooled(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """A bare encoder, pooled, and a Dense module that makes the score."""
    files = cross_encoder_files("feature-extraction", ("Transformer", "Pooling", "Dense"))
    files["1_Pooling/config.json"] = {"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": True}
    files["2_Dense/config.json"] = {
        "in_features": 32,
        "out_features": 1,
        "bias": True,
        "activation_function": _IDENTITY,
        "module_input_name": "sentence_embedding",
        "module_output_name": "scores",
    }
    return files


_SCORE = {"2_Dense": {"linear.weight": (1, 32), "linear.bias": (1,)}}
_BERT = "BertForSequenceClassification"

CROSS_ENCODERS: tuple[Family, ...] = (
    # cross-encoder/ms-marco-MiniLM-L-6-v2, in the two spellings of its activation
    with_head(
        "bert",
        "ms_marco_minilm",
        _BERT,
        labels=_ONE,
        config=_with_config("bert", {"sbert_ce_default_activation_function": _IDENTITY}),
    ),
    with_head(
        "bert",
        "ms_marco_minilm_v4",
        _BERT,
        labels=_ONE,
        config=_with_config("bert", {"sentence_transformers": {"activation_fn": _IDENTITY, "version": "4.1.0.dev0"}}),
    ),
    with_head("xlm_roberta", "bge_reranker_v2_m3", "XLMRobertaForSequenceClassification", labels=_ONE),
    with_head(
        "gte",
        "gte_multilingual_reranker",
        "GteForSequenceClassification",
        architecture="NewForSequenceClassification",
        prefix="new.",
        labels=_ONE,
    ),
    with_head(
        "modernbert",
        "gte_reranker_modernbert",
        "ModernBertForSequenceClassification",
        labels=_ONE,
        config=_with_config("modernbert", {"classifier_pooling": "cls"}),
    ),
    with_head("deberta_v2", "mxbai_rerank_v1", "DebertaV2ForSequenceClassification", labels=_ONE, head_gain=1.5),
    with_head(
        "bert",
        "cross_encoder_v6",
        _BERT,
        labels=_ONE,
        files=lambda _: cross_encoder_files("sequence-classification", activation=_IDENTITY),
    ),
    with_head("bert", "cross_encoder_pooled", "BertModel", files=_pooled, modules=_SCORE),
    with_head(
        "qwen3",
        "qwen3_reranker_classifier",
        "Qwen3ForSequenceClassification",
        labels=_ONE,
        tokenizer=DECODER_TOKENIZERS["qwen_answers"],
        chat_template=QWEN_RERANKER,
        files=lambda _: cross_encoder_files("sequence-classification", messages=True),
    ),
)
