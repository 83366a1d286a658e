"""Rows of sequence and token classifiers."""

from __future__ import annotations

from typing import Any

from cenote.testing.goldens.row import Call, GoldenRow

__all__ = ["CLASSIFIERS"]

_RAW = {"use_activation": False}
_SEQUENCE = (Call(method="classify"), Call(method="classify", inputs="short", options=_RAW))
_TOKENS = (Call(method="token_classify", inputs="few"), Call(method="token_classify", inputs="few", options=_RAW))
_PAIRED = (*_SEQUENCE, Call(method="classify", inputs="short_pairs"))


def _classifier(family: str, title: str, stands_for: str, **settings: Any) -> GoldenRow:
    tokens = "token" in family
    given = {"name": family, "reference": "transformers", "calls": _TOKENS if tokens else _SEQUENCE} | settings
    return GoldenRow(family=family, title=title, stands_for=stands_for, **given)


_PUBLISHED = {
    "bert": "nlptown/bert-base-multilingual-uncased-sentiment",
    "roberta": "FacebookAI/roberta-large-mnli",
    "xlm_roberta": "cardiffnlp/twitter-xlm-roberta-base-sentiment",
    "distilbert": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "deberta_v2": "MoritzLaurer/DeBERTa-v3-base-mnli",
    "electra": "ELECTRA classifiers",
    "qwen2": "jason9693/Qwen2.5-1.5B-apeach",
    "qwen3": "Qwen3 classifiers",
    "llama": "Llama classifiers",
    "gemma": "Gemma classifiers",
}
_TITLES = {
    "bert": "BERT",
    "roberta": "RoBERTa",
    "xlm_roberta": "XLM-RoBERTa",
    "modernbert": "ModernBERT",
    "distilbert": "DistilBERT",
    "deberta_v2": "DeBERTa v2",
    "electra": "ELECTRA",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "gemma": "Gemma",
}
_TAGGERS = ("bert", "roberta", "xlm_roberta", "modernbert", "distilbert", "deberta_v2", "electra", "qwen2", "qwen3")

CLASSIFIERS: tuple[GoldenRow, ...] = (
    *(
        _classifier(
            f"{base}_classifier",
            f"{_TITLES[base]} for sequences",
            stands_for,
            calls=_PAIRED if base in {"bert", "roberta", "distilbert"} else _SEQUENCE,
        )
        for base, stands_for in _PUBLISHED.items()
    ),
    _classifier("modernbert_classifier", "ModernBERT for sequences, mean", "ModernBERT classifiers"),
    _classifier(
        "modernbert_classifier",
        "ModernBERT for sequences, CLS",
        "ModernBERT classifiers",
        name="modernbert_classifier_cls",
        layout={"config": {"classifier_pooling": "cls"}, "prefix": ""},
    ),
    _classifier(
        "gte_classifier", "GTE (new-impl) for sequences", "classifiers on GTE", reference="transformers GteModel"
    ),
    _classifier(
        "bert_classifier",
        "BERT, several labels at once",
        "unitary/toxic-bert",
        name="multi_label",
        layout={
            "labels": ["toxic", "insult", "threat", "obscene"],
            "config": {"problem_type": "multi_label_classification"},
        },
    ),
    _classifier(
        "roberta_classifier",
        "RoBERTa, one number per text",
        "regression models",
        name="regression",
        layout={"labels": 1, "config": {"problem_type": "regression"}},
    ),
    _classifier(
        "bert_classifier",
        "BERT, one label",
        "classifiers with one label",
        name="one_label",
        layout={"labels": ["relevant"]},
    ),
    _classifier(
        "distilbert_classifier",
        "DistilBERT, the function named by the file",
        "models with `function_to_apply`",
        name="function_to_apply",
        layout={"config": {"function_to_apply": "none"}},
    ),
    _classifier(
        "llama_classifier",
        "Llama for sequences, no padding token",
        "classifiers whose config has no `pad_token_id`",
        name="no_padding_token",
        layout={"config": {"pad_token_id": None}},
    ),
    *(
        _classifier(
            f"{base}_token_classifier",
            f"{_TITLES[base]} for tokens",
            "boltuix/NeuroBERT-NER" if base == "bert" else f"{_TITLES[base]} taggers",
        )
        for base in _TAGGERS
    ),
)
