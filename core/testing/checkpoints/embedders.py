"""Embedders that differ from the plain ones in their files: prompts, missing layers, other backbones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["EMBEDDERS"]

_PLAIN = {entry.name: entry for entry in (*ENCODERS, *DECODERS)}
_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
_SIMILAR = "Instruct: Retrieve semantically similar text\nQuery: "


def _eurobert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    remote = "EuroBERT/EuroBERT-210m--"
    plain = _PLAIN["llama"].config(tokenizer)
    return {key: value for key, value in plain.items() if key != "rope_scaling"} | {
        "model_type": "eurobert",
        "auto_map": {
            "AutoConfig": f"{remote}configuration_eurobert.EuroBertConfig",
            "AutoModel": f"{remote}modeling_eurobert.EuroBertModel",
        },
        "clf_pooling": "late",
        "head_dim": 8,
        "mask_token_id": tokenizer.role("mask_token"),
        "mlp_bias": False,
        "rope_theta": 250000,
    }


EMBEDDERS: tuple[Family, ...] = (
    # intfloat/e5-small-v2, BAAI/bge-small-en-v1.5: prefixes are needed, and no file names them
    replace(_PLAIN["bert"], name="e5"),
    replace(_PLAIN["bert"], name="bge", pooling="cls"),
    # Snowflake/snowflake-arctic-embed-m-v1.5
    replace(
        _PLAIN["bert"],
        name="arctic",
        pooling="cls",
        prompts={"query": "Represent this sentence for searching relevant passages: "},
    ),
    # intfloat/e5-mistral-7b-instruct
    replace(
        _PLAIN["mistral"],
        name="e5_mistral",
        prompts={"web_search_query": _SEARCH, "sts_query": _SIMILAR},
    ),
    replace(
        _PLAIN["llama3"],
        name="eurobert",
        model_class="EuroBertModel",
        architecture="EuroBertModel",
        tokenizer=DECODER_TOKENIZERS["eurobert"],
        config=_eurobert,
        prefix="model.",
    ),
)
