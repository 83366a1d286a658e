"""Rows of embedders."""

from __future__ import annotations

from typing import Any

from cenote.testing.goldens.row import Call, GoldenRow

__all__ = ["EMBEDDERS"]

_ST = "sentence-transformers"
_TF = "transformers"
_EMBED = Call(method="embed")
_TOKENS = Call(method="token_embed", inputs="short", options={"use_activation": False})
_BOTH = (_EMBED, _TOKENS)


def _prompt(name: str) -> Call:
    return Call(method="embed", inputs="few", options={"prompt_name": name})


def _embedder(name: str, title: str, stands_for: str, **settings: Any) -> GoldenRow:
    given = {"reference": _ST, "family": name, "calls": (_EMBED,)} | settings
    return GoldenRow(name=name, title=title, stands_for=stands_for, **given)


EMBEDDERS: tuple[GoldenRow, ...] = (
    _embedder(
        "bert", "BERT, mean", "sentence-transformers/all-MiniLM-L6-v2", calls=_BOTH, layout={"max_seq_length": 128}
    ),
    _embedder("e5", "BERT, mean, prefixes not in its files", "intfloat/e5-small-v2", layout={"prefix": "bert."}),
    _embedder("bge", "BERT, CLS", "BAAI/bge-small-en-v1.5", layout={"pooling_style": "mode"}),
    _embedder(
        "arctic",
        "BERT, CLS, query prompt, no pooling layer",
        "Snowflake/snowflake-arctic-embed-m-v1.5",
        layout={"pooler": False},
        calls=(_EMBED, _prompt("query")),
    ),
    _embedder("electra", "ELECTRA, mean", "ELECTRA embedders"),
    _embedder("roberta", "RoBERTa, mean", "sentence-transformers/all-distilroberta-v1"),
    _embedder(
        "xlm_roberta",
        "XLM-RoBERTa, mean, prompts",
        "intfloat/multilingual-e5-small",
        calls=(_EMBED, _prompt("query"), _TOKENS),
    ),
    _embedder(
        "bge_m3",
        "XLM-RoBERTa, CLS",
        "BAAI/bge-m3 without its heads",
        family="xlm_roberta",
        layout={"pooling": "cls", "prefix": "roberta.", "prompts": {}, "safetensors": False},
    ),
    _embedder("distilbert", "DistilBERT, CLS", "sentence-transformers/msmarco-distilbert-base-tas-b"),
    _embedder("modernbert", "ModernBERT, CLS", "Alibaba-NLP/gte-modernbert-base", calls=_BOTH),
    _embedder(
        "modernbert_prefixed",
        "ModernBERT, mean, tensors under `model.`",
        "ModernBERT embedders saved with a head",
        family="modernbert",
        layout={"pooling": "mean", "prefix": "model."},
    ),
    _embedder("mpnet", "MPNet, mean", "sentence-transformers/all-mpnet-base-v2"),
    _embedder("deberta_v2", "DeBERTa v2, mean", "DeBERTa v2 and v3 embedders"),
    _embedder(
        "nomic",
        "Nomic BERT, mean, prompts",
        "nomic-ai/nomic-embed-text-v1.5",
        reference=_TF,
        calls=(_EMBED, _prompt("search_query"), _TOKENS),
    ),
    _embedder(
        "nomic_matryoshka",
        "Nomic BERT, cut to fewer dimensions",
        "nomic-ai/nomic-embed-text-v1.5",
        reference="nomic card",
        family="nomic",
        options={"hf_overrides": {"matryoshka_dimensions": [8, 16, 32]}},
        calls=(_EMBED, Call(method="embed", inputs="few", options={"dimensions": 8})),
    ),
    _embedder("gte", "GTE (new-impl), CLS", "Alibaba-NLP/gte-multilingual-base", reference=_TF, calls=_BOTH),
    _embedder(
        "gte_bare",
        "GTE (new-impl), CLS, tensors without a prefix",
        "Alibaba-NLP/gte-base-en-v1.5",
        reference=_TF,
        family="gte",
        layout={"prefix": ""},
    ),
    _embedder("eurobert", "EuroBERT, mean", "EuroBERT/EuroBERT-210m"),
    _embedder("qwen2", "Qwen2, last token", "Qwen2 embedders"),
    _embedder(
        "qwen3_embedding",
        "Qwen3, last token, prompts",
        "Qwen/Qwen3-Embedding-0.6B",
        family="qwen3",
        calls=(_EMBED, _prompt("query"), _TOKENS),
    ),
    _embedder(
        "qwen3_embedding_prefixed",
        "Qwen3, last token, tensors under `model.`",
        "Qwen/Qwen3-Embedding-0.6B",
        family="qwen3",
        layout={"prefix": "model."},
    ),
    _embedder("llama", "Llama 2, last token", "Llama 2 embedders"),
    _embedder("llama3", "Llama 3, mean", "Llama 3 embedders"),
    _embedder(
        "e5_mistral",
        "Mistral, last token, instructions",
        "intfloat/e5-mistral-7b-instruct",
        calls=(_EMBED, _prompt("web_search_query")),
    ),
    _embedder("gemma", "Gemma, last token", "Gemma embedders"),
    _embedder("gemma2", "Gemma 2, last token", "BAAI/bge-multilingual-gemma2"),
    _embedder(
        "embeddinggemma",
        "Gemma 3 (text), mean, two Dense modules, prompts",
        "google/embeddinggemma-300m",
        calls=(_EMBED, _prompt("query")),
    ),
    _embedder(
        "dense_tanh",
        "BERT, Dense module with an activation",
        "sentence-transformers/LaBSE",
        family="bert",
        layout={"dense": [(24, "torch.nn.modules.activation.Tanh")], "pooling": "cls"},
    ),
    _embedder(
        "pooled_twice",
        "BERT, CLS and mean side by side, not normalised",
        "models of sentence-transformers with several poolings",
        family="bert",
        layout={"pooling": ("cls", "mean"), "normalize": False},
    ),
    _embedder(
        "default_prompt",
        "RoBERTa, a prompt that applies where none is named",
        "models with `default_prompt_name`",
        family="roberta",
        layout={"prompts": {"query": "search: "}, "default_prompt_name": "query"},
    ),
    _embedder(
        "instructor",
        "BERT, prompt tokens do not take part in pooling",
        "models with `include_prompt: false`, as INSTRUCTOR",
        family="bert",
        layout={"prompts": {"query": "Represent the question: "}, "include_prompt": False},
        calls=(_EMBED, _prompt("query")),
    ),
    _embedder(
        "matryoshka",
        "ModernBERT, cut to fewer dimensions",
        "models with `matryoshka_dimensions`",
        family="modernbert",
        layout={"config": {"matryoshka_dimensions": [8, 16, 32]}},
        calls=(Call(method="embed", inputs="few", options={"dimensions": 8}),),
    ),
    _embedder(
        "static_embedding", "static vectors, sentence-transformers", "sentence-transformers/static-retrieval-mrl-en-v1"
    ),
    _embedder("model2vec", "static vectors, Model2Vec", "minishlab/potion-base-8M", reference="model2vec"),
    _embedder(
        "model2vec_mapped",
        "static vectors, Model2Vec, several tokens on one row",
        "Model2Vec with a quantised vocabulary",
        reference="model2vec",
        family="model2vec",
        layout={"mapped": True},
    ),
    _embedder(
        "jina_embeddings_v3",
        "jina-embeddings-v3, an adapter per request",
        "jinaai/jina-embeddings-v3",
        reference="jina-v3 merge",
        calls=(
            _EMBED,
            *(
                Call(method="embed", inputs="few", options={"lora": task})
                for task in ("retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
            ),
            Call(method="embed", inputs="few", options={"lora": "text-matching", "dimensions": 16}),
        ),
    ),
    *(
        _embedder(
            f"{base}_lora",
            f"{title} with low-rank adapters",
            "any adapter that peft has trained",
            reference="peft",
            family=base,
            adapters=("first", "second"),
            calls=(
                _EMBED,
                Call(method="embed", inputs="few", options={"lora": "first"}),
                Call(method="embed", inputs="few", options={"lora": "second"}),
            ),
        )
        for base, title in (("bert", "BERT"), ("qwen3", "Qwen3"))
    ),
)
