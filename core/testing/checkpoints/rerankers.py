"""Rerankers that are language models: the score is what the model expects as its next word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cenote.testing.checkpoints.classifiers import with_head
from cenote.testing.checkpoints.cross_encoders import cross_encoder_files
from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.templates import QWEN, QWEN_RERANKER, ZERANK
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["RERANKERS"]

_CONFIG = {entry.name: entry.config for entry in DECODERS}
_IDENTITY = "torch.nn.modules.linear.Identity"
_SIGMOID = "torch.nn.modules.activation.Sigmoid"
#: Long enough for the published prompts, which the tiny tokenizers cut into many tokens.
_POSITIONS = 2048
#: Spread of embeddings that are also the output layer: probabilities stay away from 0 and 1.
_TIED_STD = 0.3


def _long(base: str, **extra: Any) -> Callable[[TinyTokenizer], dict[str, Any]]:
    return lambda tokenizer: _CONFIG[base](tokenizer) | {"max_position_embeddings": _POSITIONS} | extra


def _scored(
    true: str, false: str | None, activation: str, prompts: Mapping[str, str] | None = None
) -> Callable[[TinyTokenizer], dict[str, Any]]:
    """Return the files of a `CrossEncoder` that ends with a LogitScore module."""

    def files(tokenizer: TinyTokenizer) -> dict[str, Any]:
        written = cross_encoder_files(
            "text-generation",
            ("Transformer", "LogitScore"),
            activation=activation,
            messages=True,
            prompts=prompts,
            default_prompt_name=next(iter(prompts), None) if prompts else None,
        )
        return written | {
            "1_LogitScore/config.json": {
                "true_token_id": tokenizer.id(true),
                "false_token_id": None if false is None else tokenizer.id(false),
                "module_input_name": "causal_logits",
            }
        }

    return files


_QWEN: dict[str, Any] = {
    "tokenizer": DECODER_TOKENIZERS["qwen_answers"],
    "chat_template": QWEN,
    "embedding_std": _TIED_STD,
    "head_gain": 1.0,
}

RERANKERS: tuple[Family, ...] = (
    with_head("qwen3", "qwen3_reranker", "Qwen3ForCausalLM", config=_long("qwen3"), **_QWEN),
    with_head(
        "qwen3",
        "qwen3_reranker_v6",
        "Qwen3ForCausalLM",
        config=_long("qwen3"),
        files=_scored("yes", "no", _SIGMOID, {"web": "Given a web search query, retrieve passages that answer it"}),
        **_QWEN | {"chat_template": QWEN_RERANKER},
    ),
    with_head(
        "qwen3",
        "zerank_2",
        "Qwen3ForCausalLM",
        config=_long("qwen3"),
        files=_scored("Yes", None, _IDENTITY),
        **_QWEN | {"chat_template": ZERANK},
    ),
    with_head("qwen2", "mxbai_rerank_v2", "Qwen2ForCausalLM", config=_long("qwen2", tie_word_embeddings=True), **_QWEN),
    with_head("qwen2", "mxbai_rerank_v2_untied", "Qwen2ForCausalLM", config=_long("qwen2"), **_QWEN),
    with_head(
        "gemma",
        "bge_reranker_v2_gemma",
        "GemmaForCausalLM",
        config=_long("gemma"),
        tokenizer=DECODER_TOKENIZERS["gemma_answers"],
        embedding_std=0.2,
        head_gain=1.0,
    ),
)
