"""Prompts of families whose files have none are found by name."""

from __future__ import annotations

import pytest

from cenote.inputs import find_known_prompts
from cenote.inputs.known_prompts import _TABLE

WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query"


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/e5-small-v2", "query: ", "passage: "),
        ("intfloat/e5-large", "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", f"{WEB}\nQuery: ", ""),
        ("intfloat/e5-mistral-7b-instruct", f"{WEB}\nQuery: ", ""),
        ("BAAI/bge-base-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-large-en", "Represent this sentence for searching relevant passages: ", ""),
        ("/data/models/bge-small-zh-v1.5/", "为这个句子生成表示以用于检索相关文章：", ""),  # noqa: RUF001
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("Qwen/Qwen3-Embedding-0.6B", f"{WEB}\nQuery:", ""),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", f"{WEB}\nQuery: ", ""),
        ("NovaSearch/stella_en_400M_v5", f"{WEB}.\nQuery: ", ""),
    ],
)
def test_prompts_of_known_families(name: str, query: str, document: str) -> None:
    found = find_known_prompts(name)
    assert found is not None
    assert (found.prompts["query"], found.prompts["document"]) == (query, document)


@pytest.mark.parametrize(
    "name",
    [
        "sentence-transformers/all-MiniLM-L6-v2",
        "BAAI/bge-m3",
        "BAAI/bge-reranker-v2-gemma",
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        "Qwen/Qwen3-Reranker-0.6B",
        "e5",
        "",
    ],
)
def test_other_models_have_none(name: str) -> None:
    assert find_known_prompts(name) is None


def test_every_entry_names_its_source_and_both_roles() -> None:
    for entry in _TABLE:
        assert entry.source
        assert {"query", "document"} <= entry.prompts.keys()
        assert entry.pattern == entry.pattern.lower()
