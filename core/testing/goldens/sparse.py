"""Rows of models that give sparse vectors."""

from __future__ import annotations

from typing import Any

from cenote.testing.goldens.row import Call, GoldenRow

__all__ = ["SPARSE"]

_TERMS = Call(method="sparse_embed", inputs="few")
_DENSE = Call(method="embed", inputs="short")
_TOKENS = Call(method="token_embed", inputs="short", options={"use_activation": False})
_SCORES = Call(method="score", inputs="short_pairs", options={"score_type": "sparse"})


def _row(name: str, title: str, stands_for: str, **settings: Any) -> GoldenRow:
    given = {"calls": (_TERMS, _SCORES)} | settings
    reference = "sentence-transformers SparseEncoder"
    return GoldenRow(name=name, title=title, stands_for=stands_for, reference=reference, family=name, **given)


SPARSE: tuple[GoldenRow, ...] = (
    _row("splade", "SPLADE on BERT", "naver/splade-v3", calls=(_TERMS, _DENSE, _TOKENS, _SCORES)),
    _row(
        "splade_distilbert",
        "SPLADE on DistilBERT, logarithm taken twice, few terms kept, query prompt",
        "naver/splade-v3-distilbert, saved by sentence-transformers 6",
        calls=(_TERMS, Call(method="sparse_embed", inputs="few", options={"prompt_name": "query"}), _SCORES),
    ),
    _row(
        "splade_roberta",
        "SPLADE on RoBERTa, summed over tokens",
        "ibm-granite/granite-embedding-30m-sparse (maximum)",
    ),
    _row("splade_modernbert", "SPLADE on ModernBERT", "ModernBERT sparse encoders", calls=(_TERMS, _DENSE, _SCORES)),
    _row(
        "splade_doc",
        "SPLADE on DistilBERT for documents, stored weights for queries",
        "opensearch-project/opensearch-neural-sparse-encoding-doc-v3-distill",
    ),
    _row(
        "splade_bare",
        "SPLADE on BERT, no files of sentence-transformers",
        "naver/splade_v2_max, with `--adapter splade`",
        options={"adapter": "splade"},
    ),
    GoldenRow(
        name="bge_m3_triple",
        title="XLM-RoBERTa, CLS, with weights and vectors of tokens",
        stands_for="BAAI/bge-m3",
        reference="FlagEmbedding M3",
        family="bge_m3_triple",
        calls=(_DENSE, _TERMS, Call(method="token_embed", inputs="short")),
    ),
)
