"""Prompts that model cards ask for and many checkpoints do not store; data only, and off unless asked for.

The table fills a gap and never replaces what a checkpoint stores. Families are left out where no source was seen, such
as arctic-embed v2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cenote.registry import model_name

__all__ = ["KnownPrompts", "find_known_prompts"]


@dataclass(frozen=True, slots=True)
class KnownPrompts:
    """Prompts of a family of models.

    Attributes:
        pattern: matches the last part of a model's name, in lower case (fnmatch).
        prompts: name to text put in front; `query` and `document` go with roles, other names are asked for.
        source: where the texts were read.
    """

    pattern: str
    prompts: Mapping[str, str]
    source: str


_SEARCH = "Represent this sentence for searching relevant passages: "
_WEB = "Given a web search query, retrieve relevant passages that answer the query"
#: Instructed models: the form is certain, the task is the one that their cards show for web search.
_INSTRUCTED = {"query": f"Instruct: {_WEB}\nQuery: ", "document": ""}
_QUERY_PASSAGE = {"query": "query: ", "document": "passage: "}
_SEARCH_ONLY = {"query": _SEARCH, "document": ""}
_SEARCH_CHINESE = {"query": "为这个句子生成表示以用于检索相关文章：", "document": ""}  # noqa: RUF001
_NOMIC = {
    "query": "search_query: ",
    "document": "search_document: ",
    "clustering": "clustering: ",
    "classification": "classification: ",
}
_QWEN3 = {"query": f"Instruct: {_WEB}\nQuery:", "document": ""}  # no space behind the colon
_GEMMA = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "STS": "task: sentence similarity | query: ",
}
_STELLA = {
    "query": f"Instruct: {_WEB}.\nQuery: ",  # with a full stop
    "document": "",
    "s2s_query": "Instruct: Retrieve semantically similar text.\nQuery: ",
}

_MTEB = "mteb 2.26, model_implementations"
_CARD = "model card"
#: The first pattern that matches counts.
_TABLE: tuple[KnownPrompts, ...] = (
    KnownPrompts("e5-mistral-7b-instruct*", _INSTRUCTED, f"{_MTEB}/e5_instruct.py"),
    KnownPrompts("multilingual-e5-*-instruct*", _INSTRUCTED, f"{_MTEB}/e5_instruct.py"),
    KnownPrompts("multilingual-e5-*", _QUERY_PASSAGE, f"{_MTEB}/e5_models.py"),
    *(KnownPrompts(f"e5-{size}*", _QUERY_PASSAGE, f"{_MTEB}/e5_models.py") for size in ("small", "base", "large")),
    *(KnownPrompts(f"bge-{size}-en*", _SEARCH_ONLY, f"{_MTEB}/bge_models.py") for size in ("small", "base", "large")),
    *(
        KnownPrompts(f"bge-{size}-zh*", _SEARCH_CHINESE, f"{_MTEB}/bge_models.py")
        for size in ("small", "base", "large")
    ),
    KnownPrompts("snowflake-arctic-embed-*-v1.5*", _SEARCH_ONLY, _CARD),
    KnownPrompts("nomic-embed-text-v1*", _NOMIC, f"{_MTEB}/nomic_models.py"),
    KnownPrompts("qwen3-embedding-*", _QWEN3, _CARD),
    KnownPrompts("embeddinggemma-*", _GEMMA, _CARD),
    KnownPrompts("gte-qwen2-*-instruct*", _INSTRUCTED, f"{_MTEB}/gte_models.py"),
    KnownPrompts("mxbai-embed-large-*", _SEARCH_ONLY, _CARD),
    KnownPrompts("stella_en_*_v5*", _STELLA, _CARD),
)


def find_known_prompts(name: str) -> KnownPrompts | None:
    """Return the prompts of a model by the last part of its name or path, or None."""
    last = model_name(name).lower()
    return next((entry for entry in _TABLE if fnmatchcase(last, entry.pattern)), None)
